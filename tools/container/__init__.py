"""Builds the image and tests it as it will run."""
