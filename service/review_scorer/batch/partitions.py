"""Splits large files into partitions of a number of rows, which are read independently.

Text is split between rows, Parquet by row numbers. Compressed files can only be read from the start and are not split.
"""

import csv
import hashlib
import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import IO, NamedTuple

from review_scorer.corpora.files import open_binary
from review_scorer.corpora.locations import Location, is_directory
from review_scorer.tables.reader import DELIMITERS
from review_scorer.tables.rows import MAX_ROW_CHARS

_GZIP = b"\x1f\x8b"
_MIN_ROW_BYTES = 2


class Partition(NamedTuple):
    """Partition ``number`` of ``total``: ``rows`` rows, after the first ``rows_before`` rows of the file.

    In a text file they are the bytes from ``start`` to ``end``, to be read after the first ``header_size`` bytes.
    """

    number: int
    total: int
    rows_before: int
    rows: int
    header_size: int = 0
    start: int = 0
    end: int = 0


class PartitionPlan(NamedTuple):
    """The SHA-256 of a file, in hex, and its partitions; there are none if the file is not split."""

    digest: str
    partitions: Sequence[Partition]


def plan_partitions(location: Location, *, kind: str, codec: str, max_rows: int | None) -> PartitionPlan:
    """Return the partitions of a file, of at most ``max_rows`` rows each; None does not split it.

    A file with invalid content is not split either, so that the error is reported when it is scored. Raises ``OSError``
    if the file cannot be read.
    """
    if is_directory(location):
        return PartitionPlan(_directory_digest(location), ())
    with open_binary(location) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        gzipped = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if max_rows is None or gzipped or size <= max_rows * _MIN_ROW_BYTES:
            return PartitionPlan(digest, ())
        try:
            split = _split_parquet(file, max_rows) if kind == "parquet" else _split_text(file, kind, codec, max_rows)
        except (ValueError, csv.Error, OSError):
            split = []
        return PartitionPlan(digest, split if len(split) > 1 else ())


def _split_parquet(file: IO[bytes], rows: int) -> list[Partition]:
    from pyarrow.parquet import read_metadata  # noqa: PLC0415 - needed only for Parquet

    total = read_metadata(file).num_rows
    starts = [*range(0, total, rows), total]
    return [Partition(n, len(starts) - 1, start, end - start) for n, (start, end) in enumerate(pairwise(starts), 1)]


def _split_text(file: IO[bytes], kind: str, codec: str, rows: int) -> list[Partition]:
    ends = _line_ends(file, codec) if kind == "jsonl" else _row_ends(file, DELIMITERS[kind])
    header_size = 0 if kind == "jsonl" else next(ends, 0)
    cuts, number, end = [(0, header_size)], 0, header_size
    for number, end in enumerate(ends, 1):
        if number % rows == 0:
            cuts.append((number, end))
    if cuts[-1][0] < number:
        cuts.append((number, end))
    return [
        Partition(n, len(cuts) - 1, before, after - before, header_size, start, end)
        for n, ((before, start), (after, end)) in enumerate(pairwise(cuts), 1)
    ]


def _line_ends(file: IO[bytes], codec: str) -> Iterator[int]:
    """Yield the offset of the end of each line that is not blank, in bytes."""
    offset = 0
    for line in file:
        offset += len(line)
        if not line.isspace() and not line.decode(codec, "replace").isspace():
            yield offset


def _row_ends(file: IO[bytes], delimiter: str) -> Iterator[int]:
    """Yield the offset of the end of the header and of each row, in bytes."""
    csv.field_size_limit(max(csv.field_size_limit(), len(BOM_UTF8) * 2 * MAX_ROW_CHARS))
    offset = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
    file.seek(offset)
    # Latin-1 maps each byte to one character. In all supported encodings, the bytes of delimiters, quotes and line ends
    # are never part of another character.
    lines = io.TextIOWrapper(file, encoding="latin-1", newline="")

    def counted() -> Iterator[str]:
        nonlocal offset
        for line in lines:
            offset += len(line)
            yield line

    try:
        for cells in csv.reader(counted(), delimiter=delimiter):
            if cells:
                yield offset
    finally:
        lines.detach()  # otherwise it would close the file


def _directory_digest(directory: Location) -> str:
    digest = hashlib.sha256()
    for file in sorted(each for each in directory.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(str(directory))}\0".encode(errors="surrogateescape"))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
