"""Opens, decompresses and decodes files of reviews."""

import gzip
import io
from pathlib import PurePath
from typing import IO, cast

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
"""The format of a file by its suffix, which ``.gz`` may follow."""


def kind_of(name: str) -> str:
    """Return the format of a file by its name, a value of ``SUFFIXES``; an empty string if it is unknown."""
    return SUFFIXES.get(PurePath(name.lower().removesuffix(".gz")).suffix, "")


def is_gzipped(name: str) -> bool:
    """Whether a file is compressed, by its name."""
    return name.lower().endswith(".gz")


def open_binary(location: Location) -> IO[bytes]:
    """Open a file or URL for reading.

    Raises ``OSError`` if it cannot be opened, and ``CorpusError`` if the package of the URL's protocol is missing.
    """
    try:
        return cast("IO[bytes]", location.open("rb"))
    except ImportError as error:  # in a worker of a cluster, which may lack the package
        raise CorpusError(f"cannot read {location}: {error}") from None


def gunzip(file: IO[bytes]) -> IO[bytes]:
    """Return the decompressed stream of a gzip file."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))


def decoded(file: IO[bytes], encoding: str, *, newline: str) -> io.TextIOWrapper:
    """Return the text of ``file``; bytes that are not in the encoding become surrogates (U+DC80 to U+DCFF)."""
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
    return io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline=newline)
