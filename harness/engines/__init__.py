"""Engines score text under a model."""
