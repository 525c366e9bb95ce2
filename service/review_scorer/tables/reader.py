"""A file's bytes into rows, and what will write them again in the same form."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from review_scorer.tables.columns import Columns
from review_scorer.tables.csv import DelimitedLines, DelimitedRows
from review_scorer.tables.decode import PIECE, Pieces
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import JsonLines, JsonRows
from review_scorer.tables.rows import Row

KINDS = ("csv", "tsv", "jsonl")
DELIMITERS = {"csv": ",", "tsv": "\t"}

# Rows are scored and written so many at a time, and fewer of long ones.
_BATCH_ROWS = 64
_BATCH_CHARS = 32_768


class Lines(Protocol):
    """What writes scored rows: see ``DelimitedLines`` and ``JsonLines``."""

    def head(self, names: Sequence[str], *, mark: str = "") -> str: ...  # noqa: D102
    def lines(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str: ...  # noqa: D102
    def last(self, reason: str) -> str: ...  # noqa: D102


class Reader:
    """Turns the bytes of a file, fed as they come, into rows.

    ``kind`` is one of ``KINDS``, or empty, and then found out from the first line. ``names`` is the header, where there
    is one and it was read.
    """

    def __init__(self, columns: Columns, *, kind: str = "", codec: str = "utf-8", most: int) -> None:
        self.kind = kind
        self._columns = columns
        self._pieces = Pieces(codec=codec, most=most)
        self._head = ""
        self._rows: DelimitedRows | JsonRows | None = None

    @property
    def names(self) -> Sequence[str]:
        """The header, empty where there is none or it has not come yet."""
        return self._rows.names if self._rows else ()

    @property
    def mark(self) -> str:
        """The byte-order mark that stood at the file's head, or nothing."""
        return "\ufeff" if self._pieces.marked else ""

    def skip(self, *, size: int, rows: int) -> None:
        """Take what is fed from here on as standing so many bytes and rows later in a file, whose kind was given."""
        self._pieces.skip(size)
        self._rows = self._rows or self._begin()
        self._rows.skip(rows)

    def feed(self, data: bytes) -> Iterator[Row]:
        """Yield the rows that ``data`` completes. Raises ``FileError``, after the rows before the fault."""
        for text in self._pieces.feed(data):
            yield from self._feed(text)

    def end(self) -> Iterator[Row]:
        """Yield the rest when no more comes; raises as ``feed`` does."""
        for text in self._pieces.end():
            yield from self._feed(text)
        if not self._rows and not self._head.strip():
            raise FileError("file_empty", "the file is empty; send rows under a header, or JSON Lines")
        rows = self._rows or self._begin()
        if self._head:
            yield from rows.feed(self._head)
        yield from rows.end()

    def _feed(self, text: str) -> Iterator[Row]:
        if self._rows:
            yield from self._rows.feed(text)
            return
        self._head += text
        if self.kind or "\n" in self._head.lstrip() or len(self._head) > PIECE:
            rows, head, self._head = self._begin(), self._head, ""
            yield from rows.feed(head)

    def _begin(self) -> DelimitedRows | JsonRows:
        self.kind = self.kind or kind_of(self._head)
        json = self.kind == "jsonl"
        self._rows = JsonRows(self._columns) if json else DelimitedRows(self._columns, DELIMITERS[self.kind])
        return self._rows


def writer(kind: str, added: Sequence[str]) -> Lines:
    """Return what writes rows in the form ``kind``, one of ``KINDS``."""
    return JsonLines(added) if kind == "jsonl" else DelimitedLines(added, DELIMITERS[kind])


def kind_of(head: str) -> str:
    """Return which of ``KINDS`` a file with this head is."""
    if head.lstrip().startswith("{"):
        return "jsonl"
    first = head.lstrip("\r\n").partition("\n")[0]  # a tab may stand behind a first column without a name
    return "tsv" if first.count("\t") > first.count(",") else "csv"


def batches(rows: Iterator[Row], *, most: int = _BATCH_ROWS, chars: int = _BATCH_CHARS) -> Iterator[list[Row]]:
    """Yield the rows, some at a time. What ``rows`` raises is raised after the last of them."""
    batch: list[Row] = []
    size = 0
    try:
        for row in rows:
            batch.append(row)
            size += row.size
            if len(batch) == most or size > chars:
                yield batch
                batch, size = [], 0
    except FileError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
