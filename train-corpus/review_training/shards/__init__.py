"""Stores the arrays of a training, and maps functions over its shards."""
