"""Reads rated reviews from files.

A row whose text or stars cannot be read becomes a ``Reject`` with its reason: no value is guessed, no row is dropped
without a message.
"""

import csv
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location
from review_scorer.corpora.records import Record, read_records
from review_scorer.scoring.atomic_write import atomic_write_text
from review_scorer.tables.columns import STARS_COLUMNS, TEXT_COLUMNS, printable

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Review:
    """A rated text. ``stars`` is 1–5 whatever the scale of the corpus; ``group`` is empty if there is none."""

    text: str
    stars: float
    group: str = ""


@dataclass(frozen=True)
class Reject:
    """A row that is not a review: its source and number, the reason, and its first characters."""

    source: str
    row: int
    reason: str
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns, encoding and rating scale of a corpus. Empty column names mean the default names.

    ``scale`` is the lowest and highest rating of the corpus, which are mapped linearly to 1–5 stars.
    """

    text_column: str = ""
    stars_column: str = ""
    group_column: str = ""
    encoding: str = "utf-8"
    scale: tuple[float, float] = (1.0, 5.0)


@dataclass
class Corpus:
    """The reviews of a corpus without exact duplicates, and what was left out."""

    reviews: list[Review] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    duplicates: int = 0


def read(sources: Sequence[Location], layout: Layout) -> Corpus:
    """Return the reviews of all ``sources``, in order.

    A review with the text and stars of an earlier one is dropped and counted. Raises ``CorpusError`` as ``rows`` does.
    """
    corpus = Corpus()
    seen: set[tuple[str, float]] = set()
    for item in rows(sources, layout):
        if isinstance(item, Reject):
            corpus.rejects.append(item)
        elif (item.text, item.stars) in seen:
            corpus.duplicates += 1
        else:
            seen.add((item.text, item.stars))
            corpus.reviews.append(item)
    return corpus


def rows(sources: Sequence[Location], layout: Layout, *, alone: bool | None = None) -> Iterator[Review | Reject]:
    """Yield each row of ``sources`` as a review or a reject, one at a time.

    If a file is truncated, cannot be read or has no column for text or stars, a reject gives the row and the reason,
    and reading continues with the next file. If the file is ``alone`` (by default: the only one), ``CorpusError`` is
    raised instead, provided that it has no review or lacks a column.
    """
    alone = len(sources) == 1 if alone is None else alone
    for source in sources:
        number, reviews = 0, 0
        columns = _ReviewColumns(layout)
        try:
            for number, record in read_records(source, layout.encoding):
                row = _row(record, columns, layout, source=str(source), row=number)
                reviews += isinstance(row, Review)
                yield row
            if number:
                columns.check(source)
        except CorpusError as error:
            if alone and not (reviews and columns.all_found):
                raise
            yield Reject(str(source), number + 1, str(error), "")


def write_rejects(rejects: Iterable[Reject], path: Path) -> None:
    """Write ``rejects`` as CSV (source, row, reason, excerpt), atomically."""
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(("source", "row", "reason", "excerpt"))
        writer.writerows((reject.source, reject.row, reject.reason, reject.excerpt) for reject in rejects)


class _ReviewColumns:
    """Finds text, stars and group in the records of one file, which may have different keys."""

    def __init__(self, layout: Layout) -> None:
        self._candidates = {
            "text": (layout.text_column,) if layout.text_column else TEXT_COLUMNS,
            "stars": (layout.stars_column,) if layout.stars_column else STARS_COLUMNS,
            "group": (layout.group_column,) if layout.group_column else (),
        }
        self._missing = {what for what, names in self._candidates.items() if names}
        self._names: list[str] = []

    def select(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text, stars and group of ``record``; None if it has no such column."""
        selected = {}
        for what, names in self._candidates.items():
            name = next((name for name in names if name in record), None)
            selected[what] = None if name is None else record[name]
            if name is not None:
                self._missing.discard(what)
        self._names = self._names or list(map(str, record))
        return selected

    @property
    def all_found(self) -> bool:
        """Whether each column was in some record."""
        return not self._missing

    def check(self, source: Location) -> None:
        """Raise ``CorpusError`` if a column was in no record of the file: then its name is wrong."""
        for what in sorted(self._missing):
            raise CorpusError(
                f"{source} has no column for the {what}: expected {' or '.join(self._candidates[what])}, "
                f"it has {', '.join(self._names) or 'none'}; name it with --{what}-column"
            )


def _row(record: Record, columns: _ReviewColumns, layout: Layout, *, source: str, row: int) -> Review | Reject:
    if isinstance(record, str):
        return Reject(source, row, record, "")
    return _review(columns.select(record), layout.scale, source=source, row=row)


def _review(selected: Mapping[str, Any], scale: tuple[float, float], *, source: str, row: int) -> Review | Reject:
    text, stars, group = selected["text"], selected["stars"], selected["group"]

    def reject(reason: str) -> Reject:
        return Reject(source, row, reason, printable(text if isinstance(text, str) and text.strip() else str(stars)))

    if not isinstance(text, str) or not text.strip():
        return reject("text missing")
    if "\0" in text:
        return reject("text has a NUL character")
    # Bytes that are not in the encoding become lone surrogates, and so do incomplete \u escapes in JSON.
    if _SURROGATE.search(text):
        return reject("text is not in the encoding")
    rating = _rating(stars)
    if rating is None:
        return reject("stars missing" if stars is None or not str(stars).strip() else "stars unreadable")
    low, high = scale
    if not low <= rating <= high:
        return reject("stars out of range")
    return Review(text, 1 + 4 * (rating - low) / (high - low), "" if group is None else str(group))


def _rating(value: Any) -> float | None:
    """Return ``value`` as a number, from a string with full-width digits too; None if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        rating = float(unicodedata.normalize("NFKC", value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return rating if math.isfinite(rating) else None
