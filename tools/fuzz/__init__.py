"""Fuzzing of a running service with random and malformed input."""
