"""Reads records, mappings of column to value, from files of several formats.

The formats are CSV and TSV, JSON Lines, Parquet, each also gzipped, and directories with one JSON object a file.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import IO, Any

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.files import SUFFIXES, decoded, gunzip, is_gzipped, kind_of, open_binary
from review_scorer.corpora.locations import Location, is_directory

# Parquet is read in batches of so many rows: enough for throughput, few enough for memory.
_PARQUET_BATCH = 4096
# The default limit of csv is 131,072 characters a field. A cell may hold a long review, but an unclosed quote must not
# load the rest of the file into memory.
_MAX_CELL_CHARS = 10_000_000

Record = Mapping[str, Any] | str
"""A row by column, or the reason why it cannot be read."""


def read_records(location: Location, encoding: str) -> Iterator[tuple[int, Record]]:
    """Yield ``(number, record)`` for each row of a file; rows count from 1, without the header.

    Raises ``CorpusError`` if the file cannot be read, or not to its end.
    """
    if is_directory(location):
        yield from directory_records(location, encoding)
        return
    kind = kind_of(location.name)
    if not kind:
        raise CorpusError(
            f"{location}: unknown format; supported are {', '.join(SUFFIXES)}, also with .gz, and directories"
        )
    try:
        with open_binary(location) as raw:
            file = gunzip(raw) if is_gzipped(location.name) else raw
            if kind == "parquet":
                yield from parquet_records(file)
            elif kind == "jsonl":
                yield from _json_lines(file, encoding)
            else:
                yield from _delimited(file, encoding, "," if kind == "csv" else "\t")
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"cannot read {location}: {getattr(error, 'strerror', None) or error}") from error
    except (UnicodeError, csv.Error, LookupError) as error:
        raise CorpusError(f"cannot read {location} as {kind} in {encoding}: {error}") from error


def directory_records(directory: Location, encoding: str) -> Iterator[tuple[int, Record]]:
    """Yield ``(number, record)`` for each ``.json`` file in a directory tree, sorted by name."""
    files = sorted(file for file in directory.rglob("*") if file.name.endswith((".json", ".json.gz")))
    if not files:
        raise CorpusError(f"{directory} holds no .json files")
    for number, file in enumerate(files, 1):
        try:
            content = file.read_bytes()
            text = gzip.decompress(content) if file.suffix == ".gz" else content
            yield number, _json_object(text.decode(encoding, errors="surrogateescape"))
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            yield number, f"file {file.name} cannot be read: {error}"
        except LookupError as error:
            raise CorpusError(f"cannot read {directory} as json in {encoding}: {error}") from error


def parquet_records(file: IO[bytes], *, after: int = 0, rows: int | None = None) -> Iterator[tuple[int, Record]]:
    """Yield ``(number, record)`` for each row of a Parquet file.

    With ``rows``, yield only so many rows, after the first ``after``; other row groups are not read. Raises ``OSError``
    if the file is not Parquet, and ``CorpusError`` without the package pyarrow.
    """
    # Imported here: it is large, and only training and batch scoring need it.
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise CorpusError("reading Parquet needs the package pyarrow; install requirements/training.txt") from None
    # Parquet has its index at the end, which a gzip stream cannot seek to: it is read into memory.
    source = io.BytesIO(file.read()) if isinstance(file, gzip.GzipFile) else file
    try:
        parquet = pyarrow.parquet.ParquetFile(source)
        end = parquet.metadata.num_rows if rows is None else after + rows
        starts = [0]
        for group in range(parquet.num_row_groups):
            starts.append(starts[-1] + parquet.metadata.row_group(group).num_rows)
        groups = [group for group, (low, high) in enumerate(pairwise(starts)) if low < end and high > after]
        number = starts[groups[0]] if groups else 0
        for batch in parquet.iter_batches(_PARQUET_BATCH, row_groups=groups):
            first = max(after - number, 0)
            selected = batch.slice(first, max(end - number - first, 0))
            yield from enumerate(selected.to_pylist(), number + first + 1)
            number += len(batch)
    except pyarrow.ArrowInvalid as error:
        raise OSError(str(error)) from error


def _delimited(file: IO[bytes], encoding: str, delimiter: str) -> Iterator[tuple[int, Record]]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    with decoded(file, encoding, newline="") as lines:
        for number, record in enumerate(csv.DictReader(lines, delimiter=delimiter), 1):
            # DictReader stores excess cells under the key None.
            yield number, "row has more cells than the header" if None in record else record


def _json_lines(file: IO[bytes], encoding: str) -> Iterator[tuple[int, Record]]:
    with decoded(file, encoding, newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _json_object(line)


def _json_object(text: str) -> Record:
    try:
        record = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return "row is not JSON"
    return record if isinstance(record, dict) else "row is not a JSON object"
