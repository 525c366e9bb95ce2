"""Random and hostile input for a running service."""
