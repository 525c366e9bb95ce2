"""Exports a bundle to other formats."""
