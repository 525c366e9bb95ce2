"""Benchmarks that compare the service with a baseline, the straightforward way to serve such a model."""
