"""Chooses settings of methods under one discipline: equal trials, equal widths, dev facts only, a utility budget."""
