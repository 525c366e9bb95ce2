"""Reads and writes CSV and TSV incrementally (RFC 4180, and the variants that Python's ``csv`` accepts)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from review_scorer.tables.columns import Columns
from review_scorer.tables.errors import FileError
from review_scorer.tables.rows import MAX_ROW_CHARS, Row


class DelimitedReader:
    """Parses the text of a file, fed in chunks, into rows. ``names`` is the header, empty until it is read."""

    def __init__(self, columns: Columns, delimiter: str) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_ROW_CHARS))
        self.names: list[str] = []
        self._columns = columns
        self._text_index = 0
        self._number = 0
        self._lines = _LineBuffer()
        self._rows = csv.reader(self._lines, delimiter=delimiter)

    def skip(self, rows: int) -> None:
        """Count ``rows`` rows as read."""
        self._number += rows

    def feed(self, text: str) -> Iterator[Row]:
        """Yield the rows that ``text`` completes. Raises ``FileError`` if it is not CSV."""
        self._lines.add(text)
        if self._lines.should_parse():
            yield from self._complete_rows()
            self._lines.discard_parsed()

    def end(self) -> Iterator[Row]:
        """Yield the remaining rows at the end of the file."""
        self._lines.finish()
        for row in self._complete_rows():
            reason = "row_unclosed: a quote in this row is never closed; the rest of the file is part of the row"
            yield row._replace(error=reason) if self._lines.unclosed_quote else row

    def _complete_rows(self) -> Iterator[Row]:
        while True:
            self._lines.begin_row()
            try:
                cells = next(self._rows)
            except (_IncompleteRow, StopIteration):
                return
            except csv.Error as error:
                raise FileError("file_csv", f"after row {self._number:,}: {error}") from None
            if cells and self.names:
                yield self._row(cells)
            elif cells:
                self._text_index = self._columns.text_index(cells)
                self.names = cells

    def _row(self, cells: list[str]) -> Row:
        self._number += 1
        width, error = len(self.names), ""
        size = sum(map(len, cells))
        if len(cells) > width:
            error = f"row_cells: the row has {len(cells)} cells, and the header {width}"
            del cells[width:]
        elif len(cells) < width:
            cells += [""] * (width - len(cells))
        return Row(self._number, self.names, cells, cells[self._text_index], error, size)


class DelimitedWriter:
    """Writes rows with the ``added`` columns, under the header of the first row."""

    def __init__(self, added: Sequence[str], delimiter: str) -> None:
        self._added = added
        self._delimiter = delimiter
        self._names: Sequence[str] = ()

    def header(self, names: Sequence[str], *, bom: str = "") -> str:
        """Return the header, preceded by the byte-order mark ``bom``."""
        self._names = names
        return bom + self._format([[*names, *self._added]])

    def rows(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str:
        """Return the lines of rows, each with the values of the added columns."""
        return self._format(
            [*self._cells(row), *("" if value is None else value for value in values)] for row, values in scored
        )

    def error(self, reason: str) -> str:
        """Return the last line of an incomplete file, with the reason in the error column."""
        return self._format([[*[""] * (len(self._names) + len(self._added) - 1), reason]])

    def _cells(self, row: Row) -> Sequence[Any]:
        if row.names == self._names:
            return row.values
        by_name = dict(zip(row.names, row.values, strict=True))
        return [by_name.get(name, "") for name in self._names]

    def _format(self, rows: Iterable[Sequence[Any]]) -> str:
        # With the line ending of RFC 4180, csv quotes cells that contain either of its characters.
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=self._delimiter, lineterminator="\r\n").writerows(rows)
        return file.getvalue()


class _IncompleteRow(Exception):  # noqa: N818 - it is control flow
    """The row continues in lines that are not available yet."""


class _LineBuffer:
    """Supplies lines to ``csv.reader``; the lines of an incomplete row are kept and supplied again."""

    def __init__(self) -> None:
        # Whether csv requested more lines of a row after the last line: only within quotes a row spans several lines.
        self.unclosed_quote = False
        self._lines: list[str] = []
        self._next = 0
        self._row_start = 0
        self._partial_line: list[str] = []
        self._size = 0
        self._parse_at = 0
        self._finished = False

    def __iter__(self) -> "_LineBuffer":
        return self

    def __next__(self) -> str:
        if self._next == len(self._lines):
            self.unclosed_quote = self._next > self._row_start
            raise StopIteration if self._finished else _IncompleteRow
        self._next += 1
        return self._lines[self._next - 1]

    def add(self, text: str) -> None:
        self._size += len(text)
        self._partial_line.append(text)
        if "\n" in text or "\r" in text:
            lines = self._split()
            self._partial_line = [] if lines[-1].endswith("\n") else [lines.pop()]
            self._lines += lines

    def finish(self) -> None:
        self._lines += self._split()
        self._finished = True

    def should_parse(self) -> bool:
        """Whether to parse again: an incomplete row is retried only when the buffer has doubled."""
        return self._size >= self._parse_at

    def begin_row(self) -> None:
        self._row_start = self._next
        self.unclosed_quote = False

    def discard_parsed(self) -> None:
        """Discard the lines of complete rows. Raises ``FileError`` if the incomplete row is too long."""
        del self._lines[: self._row_start]
        self._next = self._row_start = 0
        self._size = sum(map(len, self._lines)) + sum(map(len, self._partial_line))
        if self._size > MAX_ROW_CHARS:
            reason = f"a row has over {MAX_ROW_CHARS:,} characters; probably a quote is never closed"
            raise FileError("row_too_long", reason)
        self._parse_at = min(2 * self._size, MAX_ROW_CHARS)

    def _split(self) -> list[str]:
        return list(io.StringIO("".join(self._partial_line), newline=""))
