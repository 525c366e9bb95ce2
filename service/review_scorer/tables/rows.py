"""Rows of a table."""

from collections.abc import Sequence
from typing import Any, NamedTuple

# The maximum length of a row in characters. Without it, an unclosed quote would load the rest of the file into memory.
MAX_ROW_CHARS = 2_000_000


class Row(NamedTuple):
    """A row: the names and values of its columns, and its text or ``error``.

    ``number`` counts from 1, without the header. ``error`` is a code, a colon and a sentence, or empty. ``size`` is the
    approximate number of characters of the row.
    """

    number: int
    names: Sequence[str]
    values: Sequence[Any]
    text: str
    error: str
    size: int
