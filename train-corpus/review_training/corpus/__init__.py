"""Loads a corpus: files into shards of texts, shards of texts into shards of tokens."""
