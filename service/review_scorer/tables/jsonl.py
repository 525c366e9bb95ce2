"""JSON Lines, read as the text comes and written again."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from review_scorer.tables.columns import Columns, check_unlike
from review_scorer.tables.errors import FileError
from review_scorer.tables.rows import LONGEST_ROW, Row


def as_json(value: Any) -> str:
    """Return ``value`` as JSON on one line: what it has no form for as a string, a number that is none as null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return as_json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be written as it came, escaped
        text = json.dumps(value, default=str)
    return text


class JsonRows:
    """Cuts the text of a file, fed in pieces, into its rows, which need not have the same names."""

    names: Sequence[str] = ()

    def __init__(self, columns: Columns) -> None:
        self._objects = Objects(columns)
        self._number = 0
        self._unfinished: list[str] = []
        self._size = 0

    def skip(self, rows: int) -> None:
        """Count so many rows as read."""
        self._number += rows
        self._objects.skip(rows)

    def feed(self, text: str) -> Iterator[Row]:
        """Yield the rows that ``text`` completes; raise ``FileError`` for what are none."""
        self._unfinished.append(text)
        self._size += len(text)
        if "\n" in text:
            *lines, rest = "".join(self._unfinished).split("\n")
            self._unfinished, self._size = [rest], len(rest)
            for line in lines:
                yield from self._row(line)
        if self._size > LONGEST_ROW:
            raise FileError("row_too_long", f"a row has over {LONGEST_ROW:,} characters; each takes a line of its own")

    def end(self) -> Iterator[Row]:
        """Yield the rest when no more comes."""
        yield from self._row("".join(self._unfinished))

    def _row(self, line: str) -> Iterator[Row]:
        if not line or line.isspace():
            return
        self._number += 1
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        yield self._objects.row(self._number, record, size=len(line))


class Objects:
    """Makes rows of objects, each of which may have other names than the one before."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._first = True

    def skip(self, rows: int) -> None:
        """Count so many rows as read: no longer is the next one the first."""
        self._first = self._first and not rows

    def row(self, number: int, record: Any, *, size: int) -> Row:
        """Return the row of an object, or of what is none (a string says why, for people).

        Raises ``FileError`` if the first object has no column for the text.
        """
        if not isinstance(record, Mapping):
            reason = record if isinstance(record, str) else "the row is not a JSON object"
            return Row(number, (), (), "", f"row_not_json: {reason}", size)
        names, values = list(record), list(record.values())
        try:
            text = values[self._columns.text_of(names)]
        except FileError as error:
            if self._first:
                raise
            return Row(number, names, values, "", f"{error.code}: {error}", size)
        self._first = False
        if text is None or isinstance(text, str):
            return Row(number, names, values, text or "", "", size)
        return Row(number, names, values, "", "text_type: the text is not a string", size)


class JsonLines:
    """Writes rows with what was found out about them."""

    def __init__(self, added: Sequence[str]) -> None:
        self._added = added

    def head(self, names: Sequence[str], *, mark: str = "") -> str:  # noqa: ARG002
        """Return nothing: there is no header, and JSON has no byte-order mark (RFC 8259, section 8.1).

        Raises ``FileError`` for names that an object cannot have.
        """
        check_unlike(names, "JSON")
        return ""

    def lines(self, scored: Iterable[tuple[Row, Sequence[Any]]]) -> str:
        """Return the lines of rows, each with the values of the columns that are added."""
        records = [
            dict(zip(row.names, row.values, strict=True)) | dict(zip(self._added, found, strict=True))
            for row, found in scored
        ]
        return "".join(as_json(record) + "\n" for record in records)

    def last(self, reason: str) -> str:
        """Return the line that says why there are no more."""
        return json.dumps({self._added[-1]: reason}, ensure_ascii=False) + "\n"
