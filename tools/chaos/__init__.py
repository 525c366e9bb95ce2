"""Overload, slow clients, deploys and faults, shown on the real service."""
