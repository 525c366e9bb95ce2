"""Writes the model card of a bundle."""
