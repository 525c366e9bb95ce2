"""A large file in parts of some rows each, which are read on their own.

Text is cut between rows, and Parquet by counting. What is gzipped can only be read from its start, and stays whole.
"""

import csv
import hashlib
import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

from review_scorer.corpora.reviews import opened
from review_scorer.tables.reader import DELIMITERS
from review_scorer.tables.rows import LONGEST_ROW

_GZIP = b"\x1f\x8b"
_ROW_BYTES = 2  # the least that a row takes


class Part(NamedTuple):
    """Part ``number`` of ``of``: some rows, and how many come before.

    Of text, they are the bytes from ``start`` to before ``end``, to be read after the first ``head`` bytes.
    """

    number: int
    of: int
    before: int
    rows: int
    head: int = 0
    start: int = 0
    end: int = 0


class Survey(NamedTuple):
    """The sha256 of a file's content, and its parts; none, if it is read whole."""

    digest: str
    parts: Sequence[Part]


def survey(path: Path | str, *, kind: str, codec: str, rows: int | None) -> Survey:
    """Return what is in a file, and the parts of at most ``rows`` rows that it can be read in; None leaves it whole.

    What is wrong with the file is not looked for: then it is left whole. Raises ``OSError`` when it cannot be read.
    """
    if isinstance(path, Path) and path.is_dir():
        return Survey(_digest_of_directory(path), ())
    with opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        gzipped = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if rows is None or gzipped or size <= rows * _ROW_BYTES:
            return Survey(digest, ())
        try:
            parts = _parquet_parts(file, rows) if kind == "parquet" else _text_parts(file, kind, codec, rows)
        except (ValueError, csv.Error, OSError):
            parts = []
        return Survey(digest, parts if len(parts) > 1 else ())


def _parquet_parts(file: IO[bytes], rows: int) -> list[Part]:
    from pyarrow.parquet import read_metadata  # noqa: PLC0415 - who has no Parquet need not have it

    total = read_metadata(file).num_rows
    starts = [*range(0, total, rows), total]
    return [Part(n, len(starts) - 1, start, end - start) for n, (start, end) in enumerate(pairwise(starts), 1)]


def _text_parts(file: IO[bytes], kind: str, codec: str, rows: int) -> list[Part]:
    ends = _line_ends(file, codec) if kind == "jsonl" else _row_ends(file, DELIMITERS[kind])
    head = 0 if kind == "jsonl" else next(ends, 0)
    cuts, number, end = [(0, head)], 0, head
    for number, end in enumerate(ends, 1):
        if number % rows == 0:
            cuts.append((number, end))
    if cuts[-1][0] < number:
        cuts.append((number, end))
    return [
        Part(n, len(cuts) - 1, before, after - before, head, start, end)
        for n, ((before, start), (after, end)) in enumerate(pairwise(cuts), 1)
    ]


def _line_ends(file: IO[bytes], codec: str) -> Iterator[int]:
    """Yield how many bytes there are up to the end of each line that is not blank."""
    read = 0
    for line in file:
        read += len(line)
        if not line.isspace() and not line.decode(codec, "replace").isspace():
            yield read


def _row_ends(file: IO[bytes], delimiter: str) -> Iterator[int]:
    """Yield how many bytes there are up to the end of the header and of each row."""
    csv.field_size_limit(max(csv.field_size_limit(), len(BOM_UTF8) * 2 * LONGEST_ROW))
    read = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
    file.seek(read)
    # A byte is a character here. In no encoding that is read is a delimiter's, a quote's or a line end's byte part of
    # another character.
    lines = io.TextIOWrapper(file, encoding="latin-1", newline="")

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines:
            read += len(line)
            yield line

    try:
        for cells in csv.reader(counted(), delimiter=delimiter):
            if cells:
                yield read
    finally:
        lines.detach()  # it would close the file


def _digest_of_directory(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path)}\0".encode(errors="surrogateescape"))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
