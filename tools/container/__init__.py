"""Builds the image and tests it under the restrictions of the Deployment."""
