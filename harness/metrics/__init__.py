"""Metrics of the field, each tested against hand-worked cases."""
