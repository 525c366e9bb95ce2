"""Resilience tests of the real service: overload, slow clients, deploys and faults."""
