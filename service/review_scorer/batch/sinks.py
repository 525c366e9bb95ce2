"""Where the rows of the shell go to: files that are there whole or not at all, and standard output."""

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

from review_scorer.corpora.places import files_at
from review_scorer.corpora.reviews import opened
from review_scorer.tables.columns import check_unlike, printable
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import as_json
from review_scorer.tables.reader import DELIMITERS, writer
from review_scorer.tables.row_results import Outcome
from review_scorer.tables.rows import Row

# Rows are put into Parquet so many at a time: the types of the first ones are those of the file.
_PARQUET_ROWS = 16_384

Scored = tuple[Row, Outcome]


class Target(Protocol):
    """What rows are written to."""

    def begin(self, names: Sequence[str], mark: str) -> None:
        """Take the columns of the first row, and the byte-order mark to start with, if any."""

    def write(self, scored: Sequence[Scored]) -> None:
        """Write rows."""

    def end(self) -> None:
        """Write what is left."""


class TextTarget:
    """CSV, TSV or JSON Lines."""

    def __init__(self, file: IO[bytes], kind: str, added: Sequence[str], *, codec: str) -> None:
        self._file = file
        self._codec = "utf-8" if kind == "jsonl" else codec
        self._fit = _flat if kind in DELIMITERS else _same
        self._lines = writer(kind, added)

    def begin(self, names: Sequence[str], mark: str) -> None:
        """Write the header."""
        self._write(self._lines.head(names, mark=mark))

    def write(self, scored: Sequence[Scored]) -> None:
        """Write rows."""
        self._write(self._lines.lines((self._fit(row), outcome) for row, outcome in scored))

    def end(self) -> None:
        """Write nothing more."""

    def _write(self, text: str) -> None:
        try:
            # Half of a surrogate pair, as JSON may have it, is written as it came, escaped.
            errors = "backslashreplace" if self._codec == "utf-8" else "strict"
            self._file.write(text.encode(self._codec, errors))
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise FileError("file_encoding", f"{character!r} cannot be written in {self._codec}") from None


class ParquetTarget:
    """Parquet; the columns are those of the first rows, and of their types."""

    def __init__(self, file: IO[bytes], added: Sequence[str], *, like: Path | str | None) -> None:
        try:
            import pyarrow as arrow  # noqa: ICN001, PLC0415
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            reason = "writing Parquet takes the package pyarrow; install requirements/training.txt"
            raise FileError("file_type", reason) from None
        self._arrow, self._parquet = arrow, parquet
        self._file = file
        self._added = added
        self._held: list[Scored] = []
        self._schema: Any = None
        self._writer: Any = None
        if like:
            with opened(like) as read:
                self._schema = self._with_added(parquet.read_schema(read))

    def begin(self, names: Sequence[str], mark: str) -> None:  # noqa: ARG002
        """Refuse columns of the same name."""
        check_unlike(names, "Parquet")

    def write(self, scored: Sequence[Scored]) -> None:
        """Write rows."""
        self._held += scored
        if len(self._held) >= _PARQUET_ROWS:
            self._flush()

    def end(self) -> None:
        """Write what is still held back, and the index."""
        self._flush()
        if self._writer:
            self._writer.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        wrong = (self._arrow.ArrowInvalid, self._arrow.ArrowTypeError, UnicodeEncodeError)
        try:
            table = self._table(held)
        except wrong:
            # That may be just what is wrong with a row: then it keeps its place, without its values.
            bare = [(row._replace(names=(), values=()) if found.error else row, found) for row, found in held]
            try:
                table = self._table(bare)
            except wrong as error:
                raise FileError("file_types", f"a column has values that do not fit its type: {error}") from None
        self._writer = self._writer or self._parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)

    def _table(self, scored: Sequence[Scored]) -> Any:
        records = [
            dict(zip(row.names, row.values, strict=True)) | dict(zip(self._added, found, strict=True))
            for row, found in scored
        ]
        table = self._arrow.Table.from_pylist
        self._schema = self._schema or self._with_added(table(records).schema)
        return table(records, schema=self._schema)

    def _with_added(self, schema: Any) -> Any:
        arrow = self._arrow
        kept = [
            # What was empty so far may still become a text.
            arrow.field(field.name, arrow.string()) if arrow.types.is_null(field.type) else field
            for field in schema
            if field.name not in self._added
        ]
        types = [*[arrow.float64()] * (len(self._added) - 1), arrow.string()]
        return arrow.schema([*kept, *map(arrow.field, self._added, types)])


class Rejects:
    """The list of rows that got no score, as CSV: source, row, reason, excerpt. Without any, nothing is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.count = 0
        self._file = file

    def add(self, source: Path | str, scored: Iterable[Scored]) -> None:
        """List those of the rows that have an error."""
        for row, outcome in scored:
            if outcome.error:
                if not self.count:
                    self._write("source", "row", "reason", "excerpt")
                self.count += 1
                self._write(source, row.number, outcome.error, printable(row.text))

    def _write(self, *cells: object) -> None:
        line = io.StringIO(newline="")
        csv.writer(line).writerow(cells)
        self._file.write(line.getvalue().encode(errors="backslashreplace"))


@contextmanager
def replaced(place: Path | str) -> Iterator[IO[bytes]]:
    """Give a file to be written that becomes ``place`` at the end of the block, unless that raises.

    Where nothing was written there is no ``place``, an earlier one included.
    """
    with _uploaded(place) if isinstance(place, str) else _renamed(place) as file:
        yield file


@contextmanager
def _uploaded(url: str) -> Iterator[IO[bytes]]:
    """Object stores show what is put there once it is whole."""
    files, path = files_at(url)
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        if os.fstat(file.fileno()).st_size:
            files.makedirs(files._parent(path), exist_ok=True)  # noqa: SLF001 - there is no public name for it
            files.put_file(file.name, path)
        elif files.exists(path):
            files.rm_file(path)


@contextmanager
def _renamed(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            yield file
        except BaseException:
            written.unlink(missing_ok=True)
            raise
    if not written.stat().st_size:
        written.unlink()
        path.unlink(missing_ok=True)
        return
    written.chmod(0o644)
    written.replace(path)


@contextmanager
def gzipped(file: IO[bytes], *, wanted: bool) -> Iterator[IO[bytes]]:
    """Give a file whose bytes get into ``file``, gzipped if ``wanted``."""
    if not wanted:
        yield file
        return
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0) as zipped:
        yield cast("IO[bytes]", zipped)


def _same(row: Row) -> Row:
    return row


def _flat(row: Row) -> Row:
    """Return the row with values that are themselves rows or lists as JSON."""
    if not any(isinstance(value, (dict, list)) for value in row.values):
        return row
    values = [as_json(each) if isinstance(each, (dict, list)) else each for each in row.values]
    return row._replace(values=values)
