"""Writes scored rows to files and URLs, which appear only when they are complete, and to standard output."""

import csv
import gzip
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from review_scorer.corpora.files import open_binary
from review_scorer.corpora.locations import Location
from review_scorer.scoring.atomic_write import atomic_write
from review_scorer.tables.columns import check_unique, printable
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import as_json
from review_scorer.tables.reader import DELIMITERS, table_writer
from review_scorer.tables.row_results import RowResult
from review_scorer.tables.rows import Row

if TYPE_CHECKING:
    from upath import UPath

# The number of rows of a Parquet row group; the first group determines the column types of the file.
_PARQUET_ROWS = 16_384

ScoredRow = tuple[Row, RowResult]


class RowSink(Protocol):
    """Writes rows in one format."""

    def begin(self, names: Sequence[str], bom: str) -> None:
        """Write the header: the columns of the first row, after the byte-order mark ``bom``."""

    def write(self, scored: Sequence[ScoredRow]) -> None:
        """Write rows."""

    def end(self) -> None:
        """Write buffered rows and the footer."""


class TextSink:
    """Writes CSV, TSV or JSON Lines."""

    def __init__(self, file: IO[bytes], kind: str, added: Sequence[str], *, codec: str) -> None:
        self._file = file
        self._codec = "utf-8" if kind == "jsonl" else codec
        self._delimited = kind in DELIMITERS
        self._writer = table_writer(kind, added)

    def begin(self, names: Sequence[str], bom: str) -> None:
        """Write the header."""
        self._write(self._writer.header(names, bom=bom))

    def write(self, scored: Sequence[ScoredRow]) -> None:
        """Write rows."""
        if self._delimited:
            scored = [(_flat(row), result) for row, result in scored]
        self._write(self._writer.rows(scored))

    def end(self) -> None:
        """Do nothing: there is no footer."""

    def _write(self, text: str) -> None:
        try:
            # JSON input may have half of a surrogate pair, which UTF-8 cannot encode: it is written escaped.
            errors = "backslashreplace" if self._codec == "utf-8" else "strict"
            self._file.write(text.encode(self._codec, errors))
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise FileError("file_encoding", f"{character!r} cannot be encoded as {self._codec}") from None


class ParquetSink:
    """Writes Parquet. The columns and types are those of the file ``like``, or else of the first rows."""

    def __init__(self, file: IO[bytes], added: Sequence[str], *, like: Location | None) -> None:
        try:
            import pyarrow as arrow  # noqa: ICN001, PLC0415
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            reason = "writing Parquet needs the package pyarrow; install requirements/training.txt"
            raise FileError("file_type", reason) from None
        self._arrow, self._parquet = arrow, parquet
        self._file = file
        self._added = added
        self._buffered: list[ScoredRow] = []
        self._schema: Any = None
        self._writer: Any = None
        if like:
            with open_binary(like) as read:
                self._schema = self._with_added(parquet.read_schema(read))

    def begin(self, names: Sequence[str], bom: str) -> None:  # noqa: ARG002
        """Raise ``FileError`` if two columns have the same name."""
        check_unique(names, "Parquet")

    def write(self, scored: Sequence[ScoredRow]) -> None:
        """Write rows, in groups."""
        self._buffered += scored
        if len(self._buffered) >= _PARQUET_ROWS:
            self._flush()

    def end(self) -> None:
        """Write the last group and the footer."""
        self._flush()
        if self._writer:
            self._writer.close()

    def _flush(self) -> None:
        scored, self._buffered = self._buffered, []
        errors = (self._arrow.ArrowInvalid, self._arrow.ArrowTypeError, UnicodeEncodeError)
        try:
            table = self._table(scored)
        except errors:
            # Values of rows with an error may be the cause: those rows are written without their values.
            bare = [(row._replace(names=(), values=()) if result.error else row, result) for row, result in scored]
            try:
                table = self._table(bare)
            except errors as error:
                raise FileError("file_types", f"a column has values that do not fit its type: {error}") from None
        self._writer = self._writer or self._parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)

    def _table(self, scored: Sequence[ScoredRow]) -> Any:
        records = [
            dict(zip(row.names, row.values, strict=True)) | dict(zip(self._added, result, strict=True))
            for row, result in scored
        ]
        table = self._arrow.Table.from_pylist
        self._schema = self._schema or self._with_added(table(records).schema)
        return table(records, schema=self._schema)

    def _with_added(self, schema: Any) -> Any:
        arrow = self._arrow
        kept = [
            # A column that is empty so far may have text later.
            arrow.field(field.name, arrow.string()) if arrow.types.is_null(field.type) else field
            for field in schema
            if field.name not in self._added
        ]
        types = [*[arrow.float64()] * (len(self._added) - 1), arrow.string()]
        return arrow.schema([*kept, *map(arrow.field, self._added, types)])


class RejectsFile:
    """Lists rows without a score as CSV: source, row, reason, excerpt. Without such rows it writes nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        self.count = 0
        self._file = file

    def add(self, source: Location, scored: Iterable[ScoredRow]) -> None:
        """List the rows that have an error."""
        for row, result in scored:
            if result.error:
                if not self.count:
                    self._write("source", "row", "reason", "excerpt")
                self.count += 1
                self._write(source, row.number, result.error, printable(row.text))

    def _write(self, *cells: object) -> None:
        line = io.StringIO(newline="")
        csv.writer(line).writerow(cells)
        self._file.write(line.getvalue().encode(errors="backslashreplace"))


class _NothingWrittenError(Exception):
    """An output is empty."""


@contextmanager
def atomic_output(location: Location) -> Iterator[IO[bytes]]:
    """Yield a temporary file that becomes ``location`` at the end of the block, unless the block raises.

    If nothing is written, ``location`` is deleted.
    """
    try:
        with atomic_write(location) if isinstance(location, Path) else _upload(location) as file:
            yield file
            _check_not_empty(file)
    except _NothingWrittenError:
        location.unlink(missing_ok=True)


def _check_not_empty(file: IO[bytes]) -> None:
    if not file.tell():
        raise _NothingWrittenError


@contextmanager
def _upload(url: "UPath") -> Iterator[IO[bytes]]:
    """Yield a temporary file that is uploaded at the end of the block; object stores show only complete objects."""
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        url.fs.makedirs(url.parent.path, exist_ok=True)
        url.fs.put_file(file.name, url.path)


@contextmanager
def gzip_if(wanted: bool, file: IO[bytes]) -> Iterator[IO[bytes]]:  # noqa: FBT001 - it reads as a sentence
    """Yield a file that compresses to ``file``, or ``file`` itself."""
    if not wanted:
        yield file
        return
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0) as zipped:
        yield cast("IO[bytes]", zipped)


def _flat(row: Row) -> Row:
    """Return the row with nested values as JSON."""
    if not any(isinstance(value, (dict, list)) for value in row.values):
        return row
    values = [as_json(value) if isinstance(value, (dict, list)) else value for value in row.values]
    return row._replace(values=values)
