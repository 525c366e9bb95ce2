"""Rows as they are in a file."""

from collections.abc import Sequence
from typing import Any, NamedTuple

# The longest row that is held, in characters: a lost quote would else make one row of the rest of the file.
LONGEST_ROW = 2_000_000


class Row(NamedTuple):
    """One row: its columns' names and values, its text, or in ``error`` why it has none (a code, a colon, a sentence).

    ``number`` counts from 1, a header not included; ``size`` is about the characters that it holds.
    """

    number: int
    names: Sequence[str]
    values: Sequence[Any]
    text: str
    error: str
    size: int
