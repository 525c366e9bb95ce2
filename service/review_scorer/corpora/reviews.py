"""Reviews out of files, for training and for scoring in bulk.

Read are CSV and TSV, JSON Lines, Parquet, and directories of one-object-a-file JSON; each file also gzipped.
A row whose text or stars cannot be read becomes a ``Reject`` with its reason: never a guess, never a silent gap.
"""

import csv
import gzip
import hashlib
import io
import json
import math
import re
import tempfile
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

from review_scorer.tables.columns import STARS_COLUMNS, TEXT_COLUMNS, printable

# Parquet rows come in batches of this many: enough to be quick, little enough to hold.
_PARQUET_BATCH = 4096
# csv stops at 131,072 characters a field; a cell may hold a long review, but not a whole file behind a lost quote.
_LONGEST_CELL = 10_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")


Source = Path | str
"""A path, or a URL such as ``gs://bucket/reviews.csv.gz``."""


class CorpusError(Exception):
    """A corpus that cannot be read at all; the message names the file and what would be right."""


@dataclass(frozen=True)
class Review:
    """One rated text. ``stars`` is 1–5, whatever the corpus' own scale; ``group`` is empty where there is none."""

    text: str
    stars: float
    group: str = ""


@dataclass(frozen=True)
class Reject:
    """A row that is no review: where it stands, why it was skipped, and its first characters."""

    source: str
    row: int
    reason: str
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a corpus is laid out. Columns left empty are found by their usual names.

    ``scale`` gives the lowest and highest rating of the corpus, mapped linearly to 1–5 stars.
    """

    text_column: str = ""
    stars_column: str = ""
    group_column: str = ""
    encoding: str = "utf-8"
    scale: tuple[float, float] = (1.0, 5.0)


@dataclass
class Corpus:
    """What was read: the reviews, without exact duplicates, and what was left out."""

    reviews: list[Review] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    duplicates: int = 0

    @property
    def reasons(self) -> Counter[str]:
        """How many rows were rejected, by reason."""
        return Counter(reject.reason for reject in self.rejects)

    @property
    def fingerprint(self) -> str:
        """The sha256, in hex, over all reviews in order."""
        digest = hashlib.sha256()
        for review in self.reviews:
            digest.update(json.dumps([review.stars, review.text, review.group]).encode() + b"\n")
        return digest.hexdigest()


def read(paths: Sequence[Source], layout: Layout) -> Corpus:
    """Return the reviews of all ``paths``, in order.

    A review that repeats another's text and stars is dropped and counted. Raises ``CorpusError`` as ``rows`` does.
    """
    corpus = Corpus()
    seen: set[tuple[str, float]] = set()
    for item in rows(paths, layout):
        if isinstance(item, Reject):
            corpus.rejects.append(item)
        elif (item.text, item.stars) in seen:
            corpus.duplicates += 1
        else:
            seen.add((item.text, item.stars))
            corpus.reviews.append(item)
    return corpus


def rows(paths: Sequence[Source], layout: Layout, *, alone: bool | None = None) -> Iterator[Review | Reject]:
    """Yield each row of ``paths`` as a review or a reject, holding one at a time.

    Where a file breaks off, cannot be read or has no column for text or stars, a reject says so with the row, and the
    next file goes on. Raises ``CorpusError`` instead for a file that is ``alone`` (the only one), when it has no review
    or lacks a column.
    """
    alone = len(paths) == 1 if alone is None else alone
    for path in paths:
        number, reviews = 0, 0
        columns = _Columns(layout)
        try:
            for number, record in _records(path, layout):
                row = _row(record, columns, layout, source=str(path), row=number)
                reviews += isinstance(row, Review)
                yield row
            if number:
                columns.check(path)
        except CorpusError as error:
            if alone and not (reviews and columns.found):
                raise
            yield Reject(str(path), number + 1, str(error), "")


def _row(record: "Record", columns: "_Columns", layout: Layout, *, source: str, row: int) -> Review | Reject:
    if isinstance(record, str):
        return Reject(source, row, record, "")
    return _review(columns.pick(record), layout.scale, source=source, row=row)


def write_rejects(rejects: Iterable[Reject], path: Path) -> None:
    """Write ``rejects`` as CSV (source, row, reason, excerpt), in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        writer = csv.writer(file)
        writer.writerow(("source", "row", "reason", "excerpt"))
        writer.writerows((reject.source, reject.row, reject.reason, reject.excerpt) for reject in rejects)
    written = Path(file.name)
    written.chmod(0o644)
    written.replace(path)


class _Columns:
    """Finds text, stars and group in the rows of one file; rows of JSON need not have the same keys."""

    def __init__(self, layout: Layout) -> None:
        self._wanted = {
            "text": (layout.text_column,) if layout.text_column else TEXT_COLUMNS,
            "stars": (layout.stars_column,) if layout.stars_column else STARS_COLUMNS,
            "group": (layout.group_column,) if layout.group_column else (),
        }
        self._missing = {what for what, names in self._wanted.items() if names}
        self._columns: list[str] = []

    def pick(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record's text, stars and group, None where it has no such column."""
        picked = {}
        for what, names in self._wanted.items():
            name = next((name for name in names if name in record), None)
            picked[what] = None if name is None else record[name]
            if name is not None:
                self._missing.discard(what)
        self._columns = self._columns or list(map(str, record))
        return picked

    @property
    def found(self) -> bool:
        """Whether some row had each of the columns."""
        return not self._missing

    def check(self, path: Source) -> None:
        """Raise ``CorpusError`` when no row of the file had one of the columns: then it was misnamed, not missing."""
        for what in sorted(self._missing):
            raise CorpusError(
                f"{path} has no column for the {what}: wanted {' or '.join(self._wanted[what])}, "
                f"it has {', '.join(self._columns) or 'none'}; name it with --{what}-column"
            )


def _review(picked: Mapping[str, Any], scale: tuple[float, float], *, source: str, row: int) -> Review | Reject:
    text, stars, group = picked["text"], picked["stars"], picked["group"]

    def reject(reason: str) -> Reject:
        return Reject(source, row, reason, printable(text if isinstance(text, str) and text.strip() else str(stars)))

    if not isinstance(text, str) or not text.strip():
        return reject("text missing")
    if "\0" in text:
        return reject("text has a NUL character")
    # Bytes that are not of the encoding arrive as lone surrogates, and so do broken \u escapes in JSON.
    if _SURROGATE.search(text):
        return reject("text is not in the encoding")
    rating = _rating(stars)
    if rating is None:
        return reject("stars missing" if stars is None or not str(stars).strip() else "stars unreadable")
    low, high = scale
    if not low <= rating <= high:
        return reject("stars out of range")
    return Review(text, 1 + 4 * (rating - low) / (high - low), "" if group is None else str(group))


def _rating(value: Any) -> float | None:
    """Return the number that ``value`` is or spells, full-width digits included, else None."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        rating = float(unicodedata.normalize("NFKC", value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return rating if math.isfinite(rating) else None


Record = Mapping[str, Any] | str
"""A row by column, or the reason why it is none."""


def _records(path: Source, layout: Layout) -> Iterator[tuple[int, Record]]:
    """Yield ``(row number, record)`` for each row of ``path``; rows count from 1, without a header."""
    if isinstance(path, Path) and path.is_dir():
        yield from directory_records(path, layout)
        return
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")
    readers: dict[str, Callable[[IO[bytes]], Iterator[tuple[int, Record]]]] = {
        ".csv": lambda file: _delimited(file, layout, ","),
        ".tsv": lambda file: _delimited(file, layout, "\t"),
        ".jsonl": lambda file: _json_lines(file, layout),
        ".ndjson": lambda file: _json_lines(file, layout),
        ".json": lambda file: _json_lines(file, layout),
        ".parquet": parquet_records,
    }
    if kind not in readers:
        raise CorpusError(
            f"{path} is of no known kind; known are {', '.join(readers)}, each also with .gz, and directories"
        )
    try:
        with opened(path) as raw:
            yield from readers[kind](_inflated(raw) if suffixes[-1] == ".gz" else raw)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except (UnicodeError, csv.Error, LookupError) as error:
        raise CorpusError(f"cannot read {path} as {kind[1:]} in {layout.encoding}: {error}") from error


def opened(source: Source) -> IO[bytes]:
    """Return a file open for reading; a URL is read by fsspec and the package that it names for it.

    Raises ``OSError`` when there is none, and ``CorpusError`` without the packages.
    """
    if isinstance(source, Path) or "://" not in source:
        return Path(source).open("rb")
    try:
        import fsspec  # noqa: PLC0415 - only those who read from object stores have it

        return cast("IO[bytes]", fsspec.open(source, "rb").open())
    except (ImportError, ValueError) as error:
        raise CorpusError(f"cannot read {source}: {error}") from None


def _inflated(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))


def _decoded(file: IO[bytes], layout: Layout, newline: str | None) -> io.TextIOWrapper:
    encoding = "utf-8-sig" if layout.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else layout.encoding
    return io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline=newline)


def _delimited(file: IO[bytes], layout: Layout, delimiter: str) -> Iterator[tuple[int, Record]]:
    csv.field_size_limit(_LONGEST_CELL)
    with _decoded(file, layout, "") as lines:
        for number, record in enumerate(csv.DictReader(lines, delimiter=delimiter), 1):
            # DictReader puts what has no column under the key None.
            yield number, "row has more cells than the header" if None in record else record


def _json_lines(file: IO[bytes], layout: Layout) -> Iterator[tuple[int, Record]]:
    with _decoded(file, layout, "\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _json_object(line)


def _json_object(text: str) -> Record:
    try:
        record = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return "row is not JSON"
    return record if isinstance(record, dict) else "row is not a JSON object"


def directory_records(path: Path, layout: Layout) -> Iterator[tuple[int, Record]]:
    """Yield ``(number, record)`` for each ``.json`` file under ``path``, in the order of their names."""
    files = sorted(file for file in path.rglob("*") if file.name.endswith((".json", ".json.gz")))
    if not files:
        raise CorpusError(f"{path} holds no .json files")
    for number, file in enumerate(files, 1):
        try:
            content = file.read_bytes()
            text = gzip.decompress(content) if file.suffix == ".gz" else content
            yield number, _json_object(text.decode(layout.encoding, errors="surrogateescape"))
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            yield number, f"file {file.name} cannot be read: {error}"
        except LookupError as error:
            raise CorpusError(f"cannot read {path} as json in {layout.encoding}: {error}") from error


def parquet_records(file: IO[bytes], *, after: int = 0, rows: int | None = None) -> Iterator[tuple[int, Record]]:
    """Yield ``(number, record)`` for each row of a Parquet file; raise ``OSError`` for what is none.

    Only for ``rows`` of them, if that is given, after the first ``after``; row groups without any are not read.
    """
    # Imported here: it is large, and only training and bulk scoring bring it.
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise CorpusError("reading Parquet takes the package pyarrow; install requirements/training.txt") from None
    # A gzip stream cannot be read from its end, where Parquet keeps its index; into memory with it.
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
            wanted = batch.slice(first, max(end - number - first, 0))
            yield from enumerate(wanted.to_pylist(), number + first + 1)
            number += len(batch)
    except pyarrow.ArrowInvalid as error:
        raise OSError(str(error)) from error
