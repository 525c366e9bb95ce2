"""Score files of reviews: the same rows come out with score, interval_low, interval_high and error.

    python -m service.score reviews.csv more.jsonl.gz --out scored

Each output is there whole or not at all; rows without a score keep their place, and are listed in FILE.rejects.csv.
The exit status is 0 when every file was scored, 1 when one could not be, 2 for wrong options, 130 after Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cores import available_cores
from service.files.errors import FileError
from service.files.pieces import codec_of
from service.files.reading import DELIMITERS, batches
from service.files.rows import Columns, Row
from service.files.sources import KINDS, STANDARD, Source
from service.files.targets import ParquetTarget, Rejects, Target, TextTarget, gzipped, replaced
from service.files.workers import BundleAt, Submit, processes, scored
from service.scoring.bundle import load
from service.scoring.errors import BundleError
from service.scoring.scorer import Scorer
from service.scoring.tokens import DEFAULT_DICTIONARY
from service.settings import Settings, SettingsError, read_settings

_FORMATS = ("csv", "tsv", "jsonl", "parquet")
# What a process is given at a time; less of long rows.
_BATCH = 256
_BATCH_CHARS = 131_072


@dataclass(frozen=True, kw_only=True)
class Job:
    """One source with where its rows go: a file, or standard output where there is none.

    ``kind`` is what is written; empty, what was read.
    """

    source: Source
    kind: str
    output: Path | None
    rejects: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        settings = read_settings(os.environ)
        options = _parser(settings).parse_args(arguments)
        return _run(options, settings)
    except (SettingsError, BundleError, BrokenProcessPool) as error:
        print(f"score: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who read our output has had enough. Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.score", description=(__doc__ or "").split("\n", 1)[0])
    suffixes = ", ".join(KINDS)
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=f"{suffixes}, each also .gz, a directory of one-object-a-file JSON, or - for a pipe, which goes to stdout",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where outputs are put (default: beside their inputs)")
    parser.add_argument("--text", default="", metavar="COLUMN", help="the text's column (default: by its usual names)")
    parser.add_argument("--prefix", default="", metavar="P", help="put before the names of the columns that are added")
    parser.add_argument("--format", choices=_FORMATS, help="what is written (default: as it was read)")
    parser.add_argument("--encoding", default="utf-8", help="of CSV and TSV, such as cp932 (default: %(default)s)")
    parser.add_argument(
        "--bundle", type=Path, default=settings.bundle, metavar="DIR", help="what scores (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=_count, default=available_cores(), metavar="N", help="processes (default: %(default)s)"
    )
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    """Score the files one after the other; return the exit status."""
    dictionary = settings.dictionary or DEFAULT_DICTIONARY
    bundle = load(options.bundle, dictionary=dictionary, max_chars=settings.max_chars)
    place = BundleAt(options.bundle, dictionary, settings.max_chars, bundle.digest)
    status = 0
    taken: set[Path] = set()
    with processes(place, bundle.scorer, count=options.workers) as submit:
        for path in options.files:
            try:
                job = _job(path, options)
                _claim(job.output, taken)
                _score(job, options, bundle.scorer, submit)
            except (FileError, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                print(f"score: {path}: {error}", file=sys.stderr)
                status = 1
    return status


def _claim(output: Path | None, taken: set[Path]) -> None:
    """Raise ``FileError`` if ``output`` is already another file's."""
    if output in taken:
        raise FileError("output_taken", f"{output} is what another file's rows were written to; rename one of them")
    if output:
        taken.add(output)


def _job(path: Path, options: argparse.Namespace) -> Job:
    columns = Columns(text=options.text, prefix=options.prefix)
    codec = codec_of(options.encoding)
    source = Source(path, columns, codec=codec)
    if path == STANDARD:
        if options.format == "parquet":
            raise FileError("file_type", "Parquet is not written to pipes; name a file, or another --format")
        return Job(source=source, kind=options.format or "", output=None, rejects=None)
    kind = options.format or source.kind
    stem = path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem
    folder = options.out or path.parent
    ending = f".{kind}" + (".gz" if source.gzipped and kind != "parquet" else "")
    output, rejects = folder / f"{stem}.scored{ending}", folder / f"{path.name}.rejects.csv"
    return Job(source=source, kind=kind, output=output, rejects=rejects)


def _score(job: Job, options: argparse.Namespace, scorer: Scorer, submit: Submit) -> None:
    """Score one file."""
    source = job.source
    rows = 0
    with ExitStack() as stack:
        bar = stack.enter_context(_progress(source))
        rejects = Rejects(stack.enter_context(replaced(job.rejects)) if job.rejects else sys.stderr.buffer)
        target: Target | None = None
        read = batches(_fitting(source, job.kind, bar), most=_BATCH, chars=_BATCH_CHARS)
        for batch in scored(read, scorer, submit, count=options.workers):
            if target is None:
                target = stack.enter_context(_target(job, options))
                target.begin(source.names or next((row.names for row, _ in batch if row.names), ()), source.mark)
            target.write(batch)
            rejects.add(source.path, batch)
            rows += len(batch)
            if not job.output:
                sys.stdout.buffer.flush()
        if target is None:
            target = stack.enter_context(_target(job, options))
            target.begin(source.names, source.mark)
        target.end()
    listed = f", {rejects.count:,} without a score" + (f", listed in {job.rejects}" if job.rejects else "")
    where = f" -> {job.output}" if job.output else ""
    print(f"{source.path}: {rows:,} rows{listed if rejects.count else ''}{where}", file=sys.stderr)


@contextmanager
def _target(job: Job, options: argparse.Namespace) -> Iterator[Target]:
    added = Columns(prefix=options.prefix).added
    codec = codec_of(options.encoding) if job.source.kind in DELIMITERS else "utf-8"
    if not job.output:
        yield TextTarget(sys.stdout.buffer, job.kind or job.source.kind, added, codec=codec)
        return
    with replaced(job.output) as file:
        if job.kind == "parquet":
            like = job.source.path if job.source.kind == "parquet" and not job.source.gzipped else None
            yield ParquetTarget(file, added, like=like)
        else:
            with gzipped(file, wanted=job.output.suffix == ".gz") as zipped:
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


@contextmanager
def _progress(source: Source) -> Iterator[Callable[[int], Any]]:
    """Give what is to be told of each number of bytes that were read; it shows a bar where somebody looks."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - it comes with training, and is not in the image
    except ImportError:
        yield lambda _bytes: None
        return
    with tqdm(total=source.size or None, unit="B", unit_scale=True, desc=source.path.name, disable=None) as bar:
        yield bar.update


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes from 1 to 1,024")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
