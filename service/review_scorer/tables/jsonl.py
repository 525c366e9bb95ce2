"""Reads and writes JSON Lines incrementally."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from review_scorer.tables.columns import Columns, check_unique
from review_scorer.tables.errors import FileError
from review_scorer.tables.rows import MAX_ROW_CHARS, Row


def as_json(value: Any) -> str:
    """Return ``value`` as JSON on one line; types that JSON lacks become strings, NaN and infinity become null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return as_json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be written as an escape sequence
        text = json.dumps(value, default=str)
    return text


class JsonLinesReader:
    """Parses the text of a file, fed in chunks, into rows, which may have different names."""

    names: Sequence[str] = ()

    def __init__(self, columns: Columns) -> None:
        self._row_builder = ObjectRowBuilder(columns)
        self._number = 0
        self._partial_line: list[str] = []
        self._size = 0

    def skip(self, rows: int) -> None:
        """Count ``rows`` rows as read."""
        self._number += rows
        self._row_builder.skip(rows)

    def feed(self, text: str) -> Iterator[Row]:
        """Yield the rows that ``text`` completes. Raises ``FileError`` if they have no text column."""
        self._partial_line.append(text)
        self._size += len(text)
        if "\n" in text:
            *lines, rest = "".join(self._partial_line).split("\n")
            self._partial_line, self._size = [rest], len(rest)
            for line in lines:
                yield from self._row(line)
        if self._size > MAX_ROW_CHARS:
            raise FileError(
                "row_too_long", f"a row has over {MAX_ROW_CHARS:,} characters; put each on a line of its own"
            )

    def end(self) -> Iterator[Row]:
        """Yield the remaining row at the end of the file."""
        yield from self._row("".join(self._partial_line))

    def _row(self, line: str) -> Iterator[Row]:
        if not line or line.isspace():
            return
        self._number += 1
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        yield self._row_builder.row(self._number, record, size=len(line))


class ObjectRowBuilder:
    """Builds rows from objects (mappings), which may have different keys."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._first = True

    def skip(self, rows: int) -> None:
        """Count ``rows`` rows as read: the next one is not the first."""
        self._first = self._first and not rows

    def row(self, number: int, record: Any, *, size: int) -> Row:
        """Return the row of ``record``; a record that is no mapping gives a row with an error.

        A string is the reason why there is no record. Raises ``FileError`` if the first object has no text column.
        """
        if not isinstance(record, Mapping):
            reason = record if isinstance(record, str) else "the row is not a JSON object"
            return Row(number, (), (), "", f"row_not_json: {reason}", size)
        names, values = list(record), list(record.values())
        try:
            text = values[self._columns.text_index(names)]
        except FileError as error:
            if self._first:
                raise
            return Row(number, names, values, "", f"{error.code}: {error}", size)
        self._first = False
        if text is None or isinstance(text, str):
            return Row(number, names, values, text or "", "", size)
        return Row(number, names, values, "", "text_type: the text is not a string", size)


class JsonLinesWriter:
    """Writes rows with the ``added`` columns."""

    def __init__(self, added: Sequence[str]) -> None:
        self._added = added

    def header(self, names: Sequence[str], *, bom: str = "") -> str:  # noqa: ARG002
        """Return an empty string: there is no header, and JSON has no byte-order mark (RFC 8259, section 8.1).

        Raises ``FileError`` for duplicate names, which an object cannot have.
        """
        check_unique(names, "JSON")
        return ""

    def rows(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str:
        """Return the lines of rows, each with the values of the added columns."""
        records = [
            dict(zip(row.names, row.values, strict=True)) | dict(zip(self._added, values, strict=True))
            for row, values in scored
        ]
        return "".join(as_json(record) + "\n" for record in records)

    def error(self, reason: str) -> str:
        """Return the last line of an incomplete file, with the reason in the error column."""
        return json.dumps({self._added[-1]: reason}, ensure_ascii=False) + "\n"
