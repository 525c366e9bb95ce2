"""Reads corpora of rated reviews from files and URLs, for training and for batch scoring."""
