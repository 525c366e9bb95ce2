"""Reads the rows of files in all formats of corpora, at paths and URLs, and of standard input."""

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from review_scorer.batch.partitions import Partition
from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.files import SUFFIXES, gunzip, is_gzipped, kind_of, open_binary
from review_scorer.corpora.locations import Location, is_directory
from review_scorer.corpora.records import directory_records, parquet_records
from review_scorer.tables.columns import Columns
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import ObjectRowBuilder
from review_scorer.tables.reader import TableReader
from review_scorer.tables.rows import Row

STDIN = Path("-")

_READ_SIZE = 262_144
# Files on a disk have no size limit; this one only stops endless gzip data.
_MAX_BYTES = 1 << 44


class RowSource:
    """The rows of a file, of a ``partition`` of it, of a directory or of standard input.

    ``gzipped`` depends on the name. Raises ``FileError`` if the format is unknown.
    """

    def __init__(
        self, location: Location, columns: Columns, *, codec: str = "utf-8", partition: Partition | None = None
    ) -> None:
        self.location = location
        self.gzipped = is_gzipped(location.name)
        self._partition = partition
        self._columns = columns
        self._reader = TableReader(columns, kind=_kind(location), codec=codec, max_bytes=_MAX_BYTES)

    @property
    def kind(self) -> str:
        """The format: csv, tsv, jsonl or parquet. Of standard input it is empty until the first line is read."""
        return self._reader.kind

    @property
    def size(self) -> int:
        """The size in bytes; 0 if it is unknown."""
        return self.location.stat().st_size if self.location.is_file() else 0

    @property
    def names(self) -> Sequence[str]:
        """The header; empty if there is none or it is not read yet."""
        return self._reader.names

    @property
    def bom(self) -> str:
        """The byte-order mark at the beginning of the file, or an empty string."""
        return self._reader.bom

    def rows(self, advance: Callable[[int], object]) -> Iterator[Row]:
        """Yield the rows; ``advance`` is called with the number of bytes after each read. Raises ``FileError``."""
        try:
            if is_directory(self.location):
                yield from self._object_rows(directory_records(self.location, "utf-8"))
            elif self.location == STDIN:
                yield from self._read(sys.stdin.buffer, advance)
            else:
                with open_binary(self.location) as file:
                    yield from self._opened_rows(file, advance)
        except (OSError, EOFError, zlib.error) as error:
            raise FileError("file_unreadable", str(getattr(error, "strerror", None) or error)) from error
        except CorpusError as error:
            raise FileError("file_unreadable", str(error)) from error

    def _opened_rows(self, file: IO[bytes], advance: Callable[[int], object]) -> Iterator[Row]:
        if self.kind == "parquet":
            yield from self._parquet_rows(file)
        elif self._partition:
            yield from self._read_partition(file, self._partition)
        else:
            yield from self._read(file, advance)

    def _read_partition(self, file: IO[bytes], partition: Partition) -> Iterator[Row]:
        if partition.header_size:
            yield from self._reader.feed(file.read(partition.header_size))
        self._reader.skip(size=partition.start - partition.header_size, rows=partition.rows_before)
        file.seek(partition.start)
        remaining = partition.end - partition.start
        while data := file.read(min(_READ_SIZE, remaining)):
            remaining -= len(data)
            yield from self._reader.feed(data)
        if remaining:
            raise FileError("file_unreadable", "the file was truncated while it was read")
        yield from self._reader.end()

    def _read(self, file: IO[bytes], advance: Callable[[int], object]) -> Iterator[Row]:
        # read1 returns what a pipe has: the rows of a slow writer are scored without delay.
        read = getattr(file, "read1", file.read)
        while data := read(_READ_SIZE):
            yield from self._reader.feed(data)
            advance(len(data))
        yield from self._reader.end()

    def _parquet_rows(self, file: IO[bytes]) -> Iterator[Row]:
        source, part = gunzip(file) if self.gzipped else file, self._partition
        yield from self._object_rows(
            parquet_records(source, after=part.rows_before, rows=part.rows) if part else parquet_records(source)
        )

    def _object_rows(self, records: Iterator[tuple[int, Any]]) -> Iterator[Row]:
        builder = ObjectRowBuilder(self._columns)
        builder.skip(self._partition.rows_before if self._partition else 0)
        for number, record in records:
            values = () if isinstance(record, str) else record.values()
            size = sum(len(value) for value in values if isinstance(value, str))
            yield builder.row(number, record, size=size)


def _kind(location: Location) -> str:
    if location == STDIN:
        return ""
    if is_directory(location):
        return "jsonl"
    kind = kind_of(location.name)
    if not kind:
        raise FileError("file_type", f"unknown format; supported are {', '.join(SUFFIXES)}, also with .gz")
    return kind
