"""Reads the bytes of a table into rows, and returns the writer of the same format."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from review_scorer.tables.columns import Columns
from review_scorer.tables.csv import DelimitedReader, DelimitedWriter
from review_scorer.tables.decode import CHUNK_SIZE, TextDecoder
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import JsonLinesReader, JsonLinesWriter
from review_scorer.tables.rows import Row

KINDS = ("csv", "tsv", "jsonl")
DELIMITERS = {"csv": ",", "tsv": "\t"}


class TableWriter(Protocol):
    """Writes scored rows; see ``DelimitedWriter`` and ``JsonLinesWriter``."""

    def header(self, names: Sequence[str], *, bom: str = "") -> str: ...  # noqa: D102
    def rows(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str: ...  # noqa: D102
    def error(self, reason: str) -> str: ...  # noqa: D102


class TableReader:
    """Parses the bytes of a file, fed in chunks of any size, into rows.

    ``kind`` is one of ``KINDS``; if it is empty, it is detected from the first line. ``max_bytes`` limits the
    decompressed size of the file.
    """

    def __init__(self, columns: Columns, *, kind: str = "", codec: str = "utf-8", max_bytes: int) -> None:
        self.kind = kind
        self._columns = columns
        self._decoder = TextDecoder(codec=codec, max_bytes=max_bytes)
        self._head = ""
        self._rows: DelimitedReader | JsonLinesReader | None = None

    @property
    def names(self) -> Sequence[str]:
        """The header; empty if there is none or it is not read yet."""
        return self._rows.names if self._rows else ()

    @property
    def bom(self) -> str:
        """The byte-order mark at the beginning of the file, or an empty string."""
        return "\ufeff" if self._decoder.has_bom else ""

    def skip(self, *, size: int, rows: int) -> None:
        """Count ``size`` bytes and ``rows`` rows as read; ``kind`` must be known."""
        self._decoder.skip(size)
        self._rows = self._rows or self._begin()
        self._rows.skip(rows)

    def feed(self, data: bytes) -> Iterator[Row]:
        """Yield the rows that ``data`` completes. Raises ``FileError`` after the rows that precede the fault."""
        for text in self._decoder.feed(data):
            yield from self._feed(text)

    def end(self) -> Iterator[Row]:
        """Yield the remaining rows at the end of the file. Raises ``FileError`` as ``feed`` does."""
        for text in self._decoder.end():
            yield from self._feed(text)
        if not self._rows and not self._head.strip():
            raise FileError("file_empty", "the file is empty; send a header with rows, or JSON Lines")
        rows = self._rows or self._begin()
        if self._head:
            yield from rows.feed(self._head)
        yield from rows.end()

    def _feed(self, text: str) -> Iterator[Row]:
        if self._rows:
            yield from self._rows.feed(text)
            return
        self._head += text
        if self.kind or "\n" in self._head.lstrip() or len(self._head) > CHUNK_SIZE:
            rows, head, self._head = self._begin(), self._head, ""
            yield from rows.feed(head)

    def _begin(self) -> DelimitedReader | JsonLinesReader:
        self.kind = self.kind or detect_kind(self._head)
        json = self.kind == "jsonl"
        self._rows = JsonLinesReader(self._columns) if json else DelimitedReader(self._columns, DELIMITERS[self.kind])
        return self._rows


def table_writer(kind: str, added: Sequence[str]) -> TableWriter:
    """Return the writer for the format ``kind``, one of ``KINDS``, with the columns ``added``."""
    return JsonLinesWriter(added) if kind == "jsonl" else DelimitedWriter(added, DELIMITERS[kind])


def detect_kind(head: str) -> str:
    """Return which of ``KINDS`` a file is that begins with ``head``."""
    if head.lstrip().startswith("{"):
        return "jsonl"
    first = head.lstrip("\r\n").partition("\n")[0]  # not stripped of tabs: the first column may have no name
    return "tsv" if first.count("\t") > first.count(",") else "csv"


def batches(rows: Iterator[Row], *, max_rows: int, max_chars: int) -> Iterator[list[Row]]:
    """Yield the rows in batches of ``max_rows`` rows, or fewer once a batch exceeds ``max_chars`` characters.

    An error of ``rows`` is raised after the last batch.
    """
    batch: list[Row] = []
    size = 0
    try:
        for row in rows:
            batch.append(row)
            size += row.size
            if len(batch) == max_rows or size > max_chars:
                yield batch
                batch, size = [], 0
    except FileError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
