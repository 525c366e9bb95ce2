"""Benchmarks: the service beside the obvious ways to serve the same model."""
