"""CSV and TSV, read as the text comes and written again (RFC 4180, and what Python's csv takes besides)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from review_scorer.tables.columns import Columns
from review_scorer.tables.errors import FileError
from review_scorer.tables.rows import LONGEST_ROW, Row


class DelimitedRows:
    """Cuts the text of a file, fed in pieces, into its rows. ``names`` is the header, once it was read."""

    def __init__(self, columns: Columns, delimiter: str) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), 2 * LONGEST_ROW))
        self.names: list[str] = []
        self._columns = columns
        self._text = 0
        self._number = 0
        self._lines = _Lines()
        self._rows = csv.reader(self._lines, delimiter=delimiter)

    def skip(self, rows: int) -> None:
        """Count so many rows as read."""
        self._number += rows

    def feed(self, text: str) -> Iterator[Row]:
        """Yield the rows that ``text`` completes; raise ``FileError`` for what are none."""
        self._lines.add(text)
        if self._lines.worth_a_try():
            yield from self._complete()
            self._lines.keep_rest()

    def end(self) -> Iterator[Row]:
        """Yield the rest when no more comes."""
        self._lines.finish()
        for row in self._complete():
            reason = "row_unclosed: a quote of this row is never closed; the rest of the file stands behind it"
            yield row._replace(error=reason) if self._lines.ran_out else row

    def _complete(self) -> Iterator[Row]:
        while True:
            self._lines.begin_row()
            try:
                cells = next(self._rows)
            except (_NeedsMore, StopIteration):
                return
            except csv.Error as error:
                raise FileError("file_csv", f"after row {self._number:,}: {error}") from None
            if cells and self.names:
                yield self._row(cells)
            elif cells:
                self._text = self._columns.text_of(cells)
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
        return Row(self._number, self.names, cells, cells[self._text], error, size)


class DelimitedLines:
    """Writes rows with what was found out about them, under the header of the first."""

    def __init__(self, added: Sequence[str], delimiter: str) -> None:
        self._added = added
        self._delimiter = delimiter
        self._names: Sequence[str] = ()

    def head(self, names: Sequence[str], *, mark: str = "") -> str:
        """Return the header, after the byte-order mark that the file had."""
        self._names = names
        return mark + self._written([[*names, *self._added]])

    def lines(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str:
        """Return the lines of rows, each with the values of the columns that are added."""
        return self._written(
            [*self._cells(row), *("" if each is None else each for each in found)] for row, found in scored
        )

    def last(self, reason: str) -> str:
        """Return the line that says why there are no more."""
        return self._written([[*[""] * (len(self._names) + len(self._added) - 1), reason]])

    def _cells(self, row: Row) -> Sequence[Any]:
        if row.names == self._names:
            return row.values
        by_name = dict(zip(row.names, row.values, strict=True))
        return [by_name.get(name, "") for name in self._names]

    def _written(self, rows: Iterable[Sequence[Any]]) -> str:
        # With lines that end as RFC 4180 has it, csv puts quotes around both of their characters.
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=self._delimiter, lineterminator="\r\n").writerows(rows)
        return file.getvalue()


class _NeedsMore(Exception):  # noqa: N818
    """The row goes on in lines that have not come yet."""


class _Lines:
    """The lines that csv reads, which may have to read those of an unfinished row again when there are more."""

    def __init__(self) -> None:
        # Whether csv wanted more of a row when there was no more: only within quotes does a row go on behind a line.
        self.ran_out = False
        self._lines: list[str] = []
        self._at = 0
        self._start = 0
        self._unfinished: list[str] = []
        self._size = 0
        self._enough = 0
        self._finished = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._at == len(self._lines):
            self.ran_out = self._at > self._start
            raise StopIteration if self._finished else _NeedsMore
        self._at += 1
        return self._lines[self._at - 1]

    def add(self, text: str) -> None:
        self._size += len(text)
        self._unfinished.append(text)
        if "\n" in text or "\r" in text:
            lines = self._cut()
            self._unfinished = [] if lines[-1].endswith("\n") else [lines.pop()]
            self._lines += lines

    def finish(self) -> None:
        self._lines += self._cut()
        self._finished = True

    def worth_a_try(self) -> bool:
        """Whether enough has come to read again what is there of an unfinished row: twice as much as last time."""
        return self._size >= self._enough

    def begin_row(self) -> None:
        self._start = self._at
        self.ran_out = False

    def keep_rest(self) -> None:
        """Forget the rows that were read; raise ``FileError`` if what is left of the next is too much to hold."""
        del self._lines[: self._start]
        self._at = self._start = 0
        self._size = sum(map(len, self._lines)) + sum(map(len, self._unfinished))
        if self._size > LONGEST_ROW:
            reason = f"a row has over {LONGEST_ROW:,} characters; is there a quote that is never closed?"
            raise FileError("row_too_long", reason)
        self._enough = min(2 * self._size, LONGEST_ROW)

    def _cut(self) -> list[str]:
        return list(io.StringIO("".join(self._unfinished), newline=""))
