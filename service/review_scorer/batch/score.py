"""Score files of reviews: each output has the rows of its input with score, interval_low, interval_high and error.

    python -m review_scorer.batch.score reviews.csv more.jsonl.gz --out scored
    python -m review_scorer.batch.score --scheduler tcp://… 'gs://bucket/reviews-*.parquet' --out gs://bucket/scored

An output appears only when it is complete. Rows without a score keep their position and are listed in FILE.rejects.csv.
On a Dask cluster, large files are scored in parts, and a rerun skips the outputs that are complete.
The exit status is 0 if every file was scored, 1 if one could not be scored, 2 for invalid options, 130 after Ctrl-C.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from review_scorer.batch.jobs import FileJob, OutputFormat, plan_job, run_job
from review_scorer.batch.pool import BundleSpec, scoring_pool
from review_scorer.batch.progress import progress_bar, report_error, summary_line, timed_step
from review_scorer.batch.sources import STDIN
from review_scorer.compute.cores import available_cores
from review_scorer.compute.dask_client import ClusterError
from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.files import SUFFIXES
from review_scorer.corpora.locations import Location, expand, location
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.settings import Settings, SettingsError, read_settings
from review_scorer.tables.errors import FileError

_FORMATS = ("csv", "tsv", "jsonl", "parquet")
_PARTITION_ROWS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        settings = read_settings(os.environ)
        parser = _parser(settings)
        options = parser.parse_args(arguments)
        if options.scheduler and (not options.out or str(STDIN) in options.files):
            parser.error("--scheduler needs --out and files, which this machine and all workers can access")
        return _run(options, settings)
    except (SettingsError, BundleError, BrokenProcessPool, ClusterError, CorpusError) as error:
        print(f"score: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output closed it. Python would report the same error again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review_scorer.batch.score", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=f"{', '.join(SUFFIXES)}, also with .gz, a directory with one JSON object a file, or - for standard input; "
        "quoted, also patterns like 'reviews-*.csv.gz' and URLs like gs://bucket/reviews-*.parquet",
    )
    parser.add_argument(
        "--out", type=location, metavar="DIR", help="directory or URL of the outputs (default: that of each input)"
    )
    parser.add_argument("--text", default="", metavar="COLUMN", help="text column (default: by its usual names)")
    parser.add_argument("--prefix", default="", metavar="P", help="prefix of the names of the added columns")
    parser.add_argument("--format", choices=_FORMATS, default="", help="output format (default: that of each input)")
    parser.add_argument("--encoding", default="utf-8", help="of CSV and TSV, such as cp932 (default: %(default)s)")
    parser.add_argument(
        "--bundle",
        type=Path,
        default=settings.bundle,
        metavar="DIR",
        help="bundle to score with (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=partial(_count, "processes", 1024),
        metavar="N",
        help=f"processes (default: {available_cores()}); with --scheduler tcp://…, workers to wait for (default: 1)",
    )
    parser.add_argument(
        "--scheduler", default="", metavar="tcp://…", help="score on this Dask cluster; `local` starts one here"
    )
    parser.add_argument(
        "--partition-rows",
        type=partial(_count, "rows", 10_000_000),
        default=_PARTITION_ROWS,
        metavar="N",
        help="on a cluster, split files with more rows (default: %(default)s)",
    )
    parser.add_argument(
        "--cluster-timeout",
        type=float,
        default=20,
        metavar="SECONDS",
        help="time to wait for the scheduler, and then for the workers (default: %(default)s)",
    )
    parser.add_argument("--timings", type=Path, metavar="F", help="write the seconds of each step as JSON")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    """Score the files; return the exit status."""
    dictionary = settings.dictionary or DEFAULT_DICTIONARY
    bundle = load(options.bundle, dictionary=dictionary, max_chars=settings.max_chars)
    spec = BundleSpec(options.bundle, dictionary, settings.max_chars, bundle.digest)
    output_format = OutputFormat(
        text=options.text, prefix=options.prefix, kind=options.format, encoding=options.encoding
    )
    seconds: dict[str, float] = {}
    failed: list[str] = []
    jobs = _jobs(options.files, output_format, options.out, failed)
    if options.scheduler:
        from review_scorer.batch.dask_command import score_on_cluster  # noqa: PLC0415 - an optional dependency

        failed += score_on_cluster(
            list(jobs),
            options.out,
            spec,
            list(bundle.manifest["files"]),
            scheduler=options.scheduler,
            workers=options.workers,
            timeout=options.cluster_timeout,
            max_rows=options.partition_rows,
            seconds=seconds,
        )
    else:
        with timed_step(seconds, "score"):
            _score_here(jobs, spec, bundle.scorer, options.workers or available_cores(), failed)
    if options.timings:
        options.timings.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _jobs(
    files: Sequence[str], output_format: OutputFormat, folder: Location | None, failed: list[str]
) -> Iterator[FileJob]:
    """Yield the job of each file. Errors are reported and appended to ``failed``."""
    outputs: set[Location] = set()
    for argument in files:
        try:
            found = [STDIN] if argument == str(STDIN) else expand(argument)
        except CorpusError as error:
            failed.append(report_error(argument, error))
            continue
        for file in found:
            try:
                job = plan_job(file, output_format, folder)
                _reserve(job.output, outputs)
            except (FileError, OSError) as error:
                failed.append(report_error(file, error))
            else:
                yield job


def _reserve(output: Location | None, outputs: set[Location]) -> None:
    """Add ``output`` to ``outputs``. Raises ``FileError`` if it is the output of another file."""
    if output in outputs:
        raise FileError("output_taken", f"{output} is already the output of another file; rename one of them")
    if output:
        outputs.add(output)


def _score_here(jobs: Iterator[FileJob], bundle: BundleSpec, scorer: Scorer, count: int, failed: list[str]) -> None:
    """Score the files one after the other, each in ``count`` processes."""
    with scoring_pool(bundle, scorer, count=count) as submit:
        for job in jobs:
            source = job.source
            try:
                with progress_bar(source.location.name, total=source.size, unit="B") as advance:
                    summary = run_job(job, scorer, submit, count=count, advance=advance)
                print(summary_line(job, summary), file=sys.stderr)
            except (FileError, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                failed.append(report_error(source.location, error))


def _count(what: str, most: int, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what} from 1 to {most:,}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
