"""Generates short rated texts from a lexicon of evaluative words."""
