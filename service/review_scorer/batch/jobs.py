"""Scores one file, or one partition of a file, to an output with the same rows."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from review_scorer.batch.partitions import Partition
from review_scorer.batch.pool import Submit, score_batches
from review_scorer.batch.sinks import ParquetSink, RejectsFile, RowSink, TextSink, atomic_output, gzip_if
from review_scorer.batch.sources import STDIN, RowSource
from review_scorer.corpora.locations import Location, is_directory
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.columns import Columns
from review_scorer.tables.decode import codec_of
from review_scorer.tables.errors import FileError
from review_scorer.tables.reader import DELIMITERS, batches
from review_scorer.tables.rows import Row

# The batch that a process scores at a time; fewer rows if they are long.
_BATCH_ROWS = 256
_BATCH_CHARS = 131_072


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """The columns, format and encoding of the files.

    ``text`` is the name of the text column, empty for the default names. ``prefix`` is put before the names of the
    added columns. ``kind`` is the format of the outputs, empty for the format of each input. ``encoding`` applies to
    inputs and outputs.
    """

    text: str = ""
    prefix: str = ""
    kind: str = ""
    encoding: str = "utf-8"

    @property
    def columns(self) -> Columns:
        """The text column and the added columns."""
        return Columns(text=self.text, prefix=self.prefix)

    @property
    def codec(self) -> str:
        """Python's codec for the encoding. Raises ``FileError`` if it is not supported."""
        return codec_of(self.encoding)


@dataclass(frozen=True, kw_only=True)
class FileJob:
    """A source and the locations of its outputs; None is standard output, and standard error for the rejects.

    ``kind`` is the format of the output, empty for the format of the source.
    """

    source: RowSource
    output_format: OutputFormat
    kind: str
    output: Location | None
    rejects: Location | None


class FileSummary(NamedTuple):
    """The number of rows, and of rows without a score."""

    rows: int
    rejected: int


def plan_job(
    location: Location, output_format: OutputFormat, folder: Location | None, *, partition: Partition | None = None
) -> FileJob:
    """Return the job for a file or a partition of it; the outputs go to ``folder``, by default that of the file.

    Raises ``FileError`` if the file cannot be read, or the output not be written.
    """
    source = RowSource(location, output_format.columns, codec=output_format.codec, partition=partition)
    if location == STDIN:
        if output_format.kind == "parquet":
            raise FileError("file_type", "Parquet cannot be written to a pipe; name a file, or another --format")
        return FileJob(source=source, output_format=output_format, kind=output_format.kind, output=None, rejects=None)
    kind = output_format.kind or source.kind
    name = location.name
    stem = name if is_directory(location) else Path(name.removesuffix(".gz")).stem
    number = f".{partition.number:05}-of-{partition.total:05}" if partition else ""
    folder = folder or location.parent
    suffix = f".{kind}" + (".gz" if source.gzipped and kind != "parquet" else "")
    return FileJob(
        source=source,
        output_format=output_format,
        kind=kind,
        output=folder / f"{stem}{number}.scored{suffix}",
        rejects=folder / f"{name}{number}.rejects.csv",
    )


def run_job(
    job: FileJob, scorer: Scorer, submit: Submit, *, count: int, advance: Callable[[int], object]
) -> FileSummary:
    """Score the rows with ``submit``, which has ``count`` processes; ``advance`` is called with the bytes read.

    The outputs appear only when they are complete. Raises ``FileError`` if the file cannot be read or written to its
    end.
    """
    source = job.source
    rows = 0
    with ExitStack() as stack:
        rejects = RejectsFile(stack.enter_context(atomic_output(job.rejects)) if job.rejects else sys.stderr.buffer)
        sink: RowSink | None = None
        read = batches(_checked_rows(source, job.kind, advance), max_rows=_BATCH_ROWS, max_chars=_BATCH_CHARS)
        for batch in score_batches(read, scorer, submit, count=count):
            if sink is None:
                sink = stack.enter_context(_open_sink(job))
                sink.begin(source.names or next((row.names for row, _ in batch if row.names), ()), source.bom)
            sink.write(batch)
            rejects.add(source.location, batch)
            rows += len(batch)
            if not job.output:
                sys.stdout.buffer.flush()
        if sink is None:
            sink = stack.enter_context(_open_sink(job))
            sink.begin(source.names, source.bom)
        sink.end()
    return FileSummary(rows, rejects.count)


@contextmanager
def _open_sink(job: FileJob) -> Iterator[RowSink]:
    added = job.output_format.columns.added
    codec = job.output_format.codec if job.source.kind in DELIMITERS else "utf-8"
    if not job.output:
        yield TextSink(sys.stdout.buffer, job.kind or job.source.kind, added, codec=codec)
        return
    with atomic_output(job.output) as file:
        if job.kind == "parquet":
            like = job.source.location if job.source.kind == "parquet" and not job.source.gzipped else None
            yield ParquetSink(file, added, like=like)
        else:
            with gzip_if(job.output.name.endswith(".gz"), file) as zipped:
                yield TextSink(zipped, job.kind, added, codec=codec)


def _checked_rows(source: RowSource, kind: str, advance: Callable[[int], object]) -> Iterator[Row]:
    """Yield the rows; in a format with fixed columns, a row with columns that the first row lacks gets an error."""
    header: set[str] = set()
    for row in source.rows(advance):
        header = header or set(row.names)
        if kind not in {"", "jsonl"} and not header.issuperset(row.names):
            others = ", ".join(sorted(set(row.names) - header))
            yield row._replace(error=row.error or f"row_names: the first row has no {others}")
        else:
            yield row
