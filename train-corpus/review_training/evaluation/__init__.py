"""Measures models: cross-validation, rating metrics, intervals, comparisons."""
