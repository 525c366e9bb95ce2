"""What a model card is made of, whichever file it is written to."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Say = Callable[[str, str], str]
"""Picks the Japanese or the English of two wordings."""


class Table(NamedTuple):
    """Rows of cells under their columns. ``bars``, 0-1, one a row, are drawn in Markdown, which has no plots."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[float] = ()
    caption: str = ""
    style: str = ""


class Plot(NamedTuple):
    """A drawing for the page, and how to read it."""

    svg: str
    caption: str = ""


class Points(NamedTuple):
    """Sentences, one below the other."""

    sentences: Sequence[str]


class Section(NamedTuple):
    """A part of the card; plain strings are paragraphs."""

    title: str
    blocks: Sequence[str | Table | Plot | Points]
    style: str = ""


def group_name(name: str, say: Say) -> str:
    """Return what a group is called on the card; one of no name has one there."""
    return name or say("(なし)", "(none)")
