"""Where the rows of the shell come from: files of every kind that a corpus may be, and standard input."""

import gzip
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from service.corpus import CorpusError, Layout, directory_records, parquet_records
from service.files.errors import FileError
from service.files.jsonlines import Objects
from service.files.reading import Reader
from service.files.rows import Columns, Row

STANDARD = Path("-")
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}
"""The kinds of files by their suffixes, each of which may be followed by .gz."""

_READ = 262_144
# A file on a disk is as long as it is; this only stops what would inflate for ever.
_MOST = 1 << 44


class Source:
    """The rows of one file, directory or standard input, and what is known of it.

    ``gzipped`` goes by the name. ``size`` is in bytes, 0 if unknown.
    """

    def __init__(self, path: Path, columns: Columns, *, codec: str = "utf-8") -> None:
        self.path = path
        self.gzipped = path.suffix.lower() == ".gz"
        self.size = path.stat().st_size if path.is_file() else 0
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
            if self.path.is_dir():
                yield from self._objects(directory_records(self.path, Layout()))
            elif self.path == STANDARD:
                yield from self._read(sys.stdin.buffer, advance)
            else:
                with self.path.open("rb") as file:
                    yield from self._parquet(file) if self.kind == "parquet" else self._read(file, advance)
        except (OSError, EOFError) as error:
            raise FileError("file_unreadable", str(getattr(error, "strerror", None) or error)) from error
        except CorpusError as error:
            raise FileError("file_unreadable", str(error)) from error

    def _read(self, file: IO[bytes], advance: Callable[[int], object]) -> Iterator[Row]:
        # Of a pipe, what there is: whoever fills it slowly shall see the scores of what he wrote.
        read = getattr(file, "read1", file.read)
        while data := read(_READ):
            yield from self._reader.feed(data)
            advance(len(data))
        yield from self._reader.end()

    def _parquet(self, file: IO[bytes]) -> Iterator[Row]:
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if self.gzipped else file
        yield from self._objects(parquet_records(source))

    def _objects(self, records: Iterator[tuple[int, Any]]) -> Iterator[Row]:
        objects = Objects(self._columns)
        for number, record in records:
            values = () if isinstance(record, str) else record.values()
            size = sum(len(value) for value in values if isinstance(value, str))
            yield objects.row(number, record, size=size)


def _kind(path: Path) -> str:
    if path == STANDARD:
        return ""
    if path.is_dir():
        return "jsonl"
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in KINDS:
        raise FileError("file_type", f"it is of no known kind; known are {', '.join(KINDS)}, each also with .gz")
    return KINDS[suffix]
