"""Reads rated reviews from files, directories and URLs."""
