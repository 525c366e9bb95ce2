"""Errors of reading a corpus."""


class CorpusError(Exception):
    """A corpus that cannot be read at all; the message is one line that names the file and the remedy."""
