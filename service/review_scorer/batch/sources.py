"""Where the rows of the shell come from: files of every kind that a corpus may be, at URLs too, and standard input."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from review_scorer.batch.partitions import Part
from review_scorer.corpora.reviews import CorpusError, Layout, directory_records, opened, parquet_records
from review_scorer.tables.columns import Columns
from review_scorer.tables.errors import FileError
from review_scorer.tables.jsonl import Objects
from review_scorer.tables.reader import Reader
from review_scorer.tables.rows import Row

STANDARD = Path("-")
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}
"""The kinds of files by their suffixes, each of which may be followed by .gz."""

_READ = 262_144
# A file on a disk is as long as it is; this only stops what would inflate for ever.
_MOST = 1 << 44


class Source:
    """The rows of one file, or of a part of it, of a directory or standard input, and what is known of it.

    ``gzipped`` goes by the name. ``size`` is in bytes, 0 if unknown.
    """

    def __init__(self, path: Path | str, columns: Columns, *, codec: str = "utf-8", part: Part | None = None) -> None:
        self.path = path
        self.gzipped = Path(path).suffix.lower() == ".gz"
        self.size = path.stat().st_size if isinstance(path, Path) and path.is_file() else 0
        self._part = part
        self._columns = columns
        self._reader = Reader(columns, kind=_kind(path), codec=codec, most=_MOST)

    @property
    def kind(self) -> str:
        """What it is: csv, tsv, jsonl or parquet. Of standard input, that is empty until the first line was read."""
        return self._reader.kind

    @property
    def names(self) -> Sequence[str]:
        """The header, empty where there is none or it was not read yet."""
        return self._reader.names

    @property
    def mark(self) -> str:
        """The byte-order mark that stood at the file's head, or nothing."""
        return self._reader.mark

    def rows(self, advance: Callable[[int], object]) -> Iterator[Row]:
        """Yield the rows; ``advance`` is told how many bytes were read. Raises ``FileError``."""
        try:
            if isinstance(self.path, Path) and self.path.is_dir():
                yield from self._objects(directory_records(self.path, Layout()))
            elif self.path == STANDARD:
                yield from self._read(sys.stdin.buffer, advance)
            else:
                with opened(self.path) as file:
                    yield from self._opened(file, advance)
        except (OSError, EOFError, zlib.error) as error:
            raise FileError("file_unreadable", str(getattr(error, "strerror", None) or error)) from error
        except CorpusError as error:
            raise FileError("file_unreadable", str(error)) from error

    def _opened(self, file: IO[bytes], advance: Callable[[int], object]) -> Iterator[Row]:
        if self.kind == "parquet":
            yield from self._parquet(file)
        elif self._part:
            yield from self._read_part(file, self._part)
        else:
            yield from self._read(file, advance)

    def _read_part(self, file: IO[bytes], part: Part) -> Iterator[Row]:
        if part.head:
            yield from self._reader.feed(file.read(part.head))
        self._reader.skip(size=part.start - part.head, rows=part.before)
        file.seek(part.start)
        left = part.end - part.start
        while data := file.read(min(_READ, left)):
            left -= len(data)
            yield from self._reader.feed(data)
        if left:
            raise FileError("file_unreadable", "the file became shorter while it was read")
        yield from self._reader.end()

    def _read(self, file: IO[bytes], advance: Callable[[int], object]) -> Iterator[Row]:
        # Of a pipe, what there is: whoever fills it slowly shall see the scores of what he wrote.
        read = getattr(file, "read1", file.read)
        while data := read(_READ):
            yield from self._reader.feed(data)
            advance(len(data))
        yield from self._reader.end()

    def _parquet(self, file: IO[bytes]) -> Iterator[Row]:
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if self.gzipped else file
        part = self._part
        yield from self._objects(
            parquet_records(source, after=part.before, rows=part.rows) if part else parquet_records(source)
        )

    def _objects(self, records: Iterator[tuple[int, Any]]) -> Iterator[Row]:
        objects = Objects(self._columns)
        objects.skip(self._part.before if self._part else 0)
        for number, record in records:
            values = () if isinstance(record, str) else record.values()
            size = sum(len(value) for value in values if isinstance(value, str))
            yield objects.row(number, record, size=size)


def _kind(path: Path | str) -> str:
    if path == STANDARD:
        return ""
    if isinstance(path, Path) and path.is_dir():
        return "jsonl"
    suffix = Path(Path(path).name.lower().removesuffix(".gz")).suffix
    if suffix not in KINDS:
        raise FileError("file_type", f"it is of no known kind; known are {', '.join(KINDS)}, each also with .gz")
    return KINDS[suffix]
