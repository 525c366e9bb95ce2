"""One file of reviews, or a part of one, into the same rows with their scores."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from review_scorer.batch.partitions import Part
from review_scorer.batch.pool import Submit, scored
from review_scorer.batch.sinks import ParquetTarget, Rejects, Target, TextTarget, gzipped, replaced
from review_scorer.batch.sources import STANDARD, Source
from review_scorer.corpora.places import name_of, parent, within
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.columns import Columns
from review_scorer.tables.decode import codec_of
from review_scorer.tables.errors import FileError
from review_scorer.tables.reader import DELIMITERS, batches
from review_scorer.tables.rows import Row

# What a process is given at a time; less of long rows.
_BATCH = 256
_BATCH_CHARS = 131_072


@dataclass(frozen=True, kw_only=True)
class Form:
    """How files are read and written: the text's column, what stands before the added ones, what is written, encoding.

    ``kind`` is empty where each file is written as it was read.
    """

    text: str = ""
    prefix: str = ""
    kind: str = ""
    encoding: str = "utf-8"

    @property
    def columns(self) -> Columns:
        """What finds the text and names what is added."""
        return Columns(text=self.text, prefix=self.prefix)

    @property
    def codec(self) -> str:
        """Python's name of the encoding; raises ``FileError`` for one that is not read."""
        return codec_of(self.encoding)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One source with where its rows go: a file, or standard output where there is none.

    ``kind`` is what is written; empty, what was read.
    """

    source: Source
    form: Form
    kind: str
    output: Path | str | None
    rejects: Path | str | None


class Tally(NamedTuple):
    """How many rows there were, and how many of them got no score."""

    rows: int
    rejected: int


def job(path: Path | str, form: Form, folder: Path | str | None, *, part: Part | None = None) -> Job:
    """Return what is to be done with a file, or with a part of it; outputs go to ``folder``, or beside the input.

    Raises ``FileError`` for what cannot be read or written.
    """
    source = Source(path, form.columns, codec=form.codec, part=part)
    if path == STANDARD:
        if form.kind == "parquet":
            raise FileError("file_type", "Parquet is not written to pipes; name a file, or another --format")
        return Job(source=source, form=form, kind=form.kind, output=None, rejects=None)
    kind = form.kind or source.kind
    name = name_of(path)
    stem = name if isinstance(path, Path) and path.is_dir() else Path(name.removesuffix(".gz")).stem
    number = f".{part.number:05}-of-{part.of:05}" if part else ""
    folder = folder or parent(path)
    ending = f".{kind}" + (".gz" if source.gzipped and kind != "parquet" else "")
    output, rejects = within(folder, f"{stem}{number}.scored{ending}"), within(folder, f"{name}{number}.rejects.csv")
    return Job(source=source, form=form, kind=kind, output=output, rejects=rejects)


def run(job: Job, scorer: Scorer, submit: Submit, *, count: int, advance: Callable[[int], object]) -> Tally:
    """Score the rows with ``submit``, which ``count`` processes stand behind; ``advance`` is told of bytes read.

    Outputs are there whole or not at all. Raises ``FileError`` for a file that cannot be read or written to its end.
    """
    source = job.source
    rows = 0
    with ExitStack() as stack:
        rejects = Rejects(stack.enter_context(replaced(job.rejects)) if job.rejects else sys.stderr.buffer)
        target: Target | None = None
        read = batches(_fitting(source, job.kind, advance), most=_BATCH, chars=_BATCH_CHARS)
        for batch in scored(read, scorer, submit, count=count):
            if target is None:
                target = stack.enter_context(_target(job))
                target.begin(source.names or next((row.names for row, _ in batch if row.names), ()), source.mark)
            target.write(batch)
            rejects.add(source.path, batch)
            rows += len(batch)
            if not job.output:
                sys.stdout.buffer.flush()
        if target is None:
            target = stack.enter_context(_target(job))
            target.begin(source.names, source.mark)
        target.end()
    return Tally(rows, rejects.count)


@contextmanager
def _target(job: Job) -> Iterator[Target]:
    added = job.form.columns.added
    codec = job.form.codec if job.source.kind in DELIMITERS else "utf-8"
    if not job.output:
        yield TextTarget(sys.stdout.buffer, job.kind or job.source.kind, added, codec=codec)
        return
    with replaced(job.output) as file:
        if job.kind == "parquet":
            like = job.source.path if job.source.kind == "parquet" and not job.source.gzipped else None
            yield ParquetTarget(file, added, like=like)
        else:
            with gzipped(file, wanted=name_of(job.output).endswith(".gz")) as zipped:
                yield TextTarget(zipped, job.kind, added, codec=codec)


def _fitting(source: Source, kind: str, advance: Callable[[int], object]) -> Iterator[Row]:
    """Yield the rows; into a table whose columns were fixed by the first row, others do not fit."""
    header: set[str] = set()
    for row in source.rows(advance):
        header = header or set(row.names)
        if kind not in {"", "jsonl"} and not header.issuperset(row.names):
            others = ", ".join(sorted(set(row.names) - header))
            yield row._replace(error=row.error or f"row_names: the first row has no {others}")
        else:
            yield row
