"""Score files of reviews: the same rows come out with score, interval_low, interval_high and error.

    python -m review_scorer.batch.score reviews.csv more.jsonl.gz --out scored
    python -m review_scorer.batch.score --scheduler tcp://… 'gs://bucket/reviews-*.parquet' --out gs://bucket/scored

Each output is there whole or not at all; rows without a score keep their place, and are listed in FILE.rejects.csv.
On a Dask cluster, large files come out in parts, and what an earlier run finished stays as it is.
The exit status is 0 when every file was scored, 1 when one could not be, 2 for wrong options, 130 after Ctrl-C.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from review_scorer.batch.jobs import Form, Job, job, run
from review_scorer.batch.pool import BundleAt, processes
from review_scorer.batch.progress import complain, progress, summary, took
from review_scorer.batch.sources import KINDS, STANDARD
from review_scorer.compute.cores import available_cores
from review_scorer.corpora.places import expand, name_of
from review_scorer.corpora.reviews import CorpusError
from review_scorer.scoring.bundle import Bundle, load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.settings import Settings, SettingsError, read_settings
from review_scorer.tables.errors import FileError

_FORMATS = ("csv", "tsv", "jsonl", "parquet")
_PART = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        settings = read_settings(os.environ)
        parser = _parser(settings)
        options = parser.parse_args(arguments)
        if options.scheduler and (not options.out or str(STANDARD) in options.files):
            parser.error("--scheduler takes --out and files: places that this machine and all workers reach")
        return _run(options, settings)
    except (SettingsError, BundleError, BrokenProcessPool, CorpusError) as error:
        print(f"score: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who read our output has had enough. Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review_scorer.batch.score", description=(__doc__ or "").split("\n", 1)[0]
    )
    suffixes = ", ".join(KINDS)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=f"{suffixes}, each also .gz, a directory of one-object-a-file JSON, or - for a pipe, which goes to stdout;"
        " quoted, also patterns like 'reviews-*.csv.gz' and URLs like gs://bucket/reviews-*.parquet",
    )
    parser.add_argument(
        "--out", type=_place, metavar="DIR", help="where outputs are put, also a URL (default: beside their inputs)"
    )
    parser.add_argument("--text", default="", metavar="COLUMN", help="the text's column (default: by its usual names)")
    parser.add_argument("--prefix", default="", metavar="P", help="put before the names of the columns that are added")
    parser.add_argument("--format", choices=_FORMATS, default="", help="what is written (default: as it was read)")
    parser.add_argument("--encoding", default="utf-8", help="of CSV and TSV, such as cp932 (default: %(default)s)")
    parser.add_argument(
        "--bundle", type=Path, default=settings.bundle, metavar="DIR", help="what scores (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=_processes,
        metavar="N",
        help=f"processes (default: {available_cores()}); of another cluster, how many it must have (default: one)",
    )
    parser.add_argument(
        "--scheduler", default="", metavar="tcp://…", help="score on this Dask cluster, or on one made here (`local`)"
    )
    parser.add_argument(
        "--part",
        type=partial(_count, "rows", 10_000_000),
        default=_PART,
        metavar="N",
        help="on a cluster: the rows that a part of a large file has (default: %(default)s)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=20,
        metavar="SECONDS",
        help="how long to wait for the scheduler, and then for a worker (default: %(default)s)",
    )
    parser.add_argument("--timings", type=Path, metavar="F", help="where the seconds of each step are written, as JSON")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    """Score the files; return the exit status."""
    bundle = load(options.bundle, dictionary=settings.dictionary or DEFAULT_DICTIONARY, max_chars=settings.max_chars)
    form = Form(text=options.text, prefix=options.prefix, kind=options.format, encoding=options.encoding)
    seconds: dict[str, float] = {}
    failed: list[str] = []
    jobs = _jobs(options, form, failed)
    if options.scheduler:
        from review_scorer.batch.dask_score import score_on_cluster  # noqa: PLC0415 - serving has no Dask

        failed += score_on_cluster(list(jobs), options, settings, bundle, seconds)
    else:
        with took(seconds, "score"):
            _score_here(jobs, options, settings, bundle, failed)
    if options.timings:
        options.timings.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _jobs(options: argparse.Namespace, form: Form, failed: list[str]) -> Iterator[Job]:
    """Yield what is to be done with each file; what cannot be is told, and put into ``failed``."""
    taken: set[Path | str] = set()
    for argument in options.files:
        try:
            paths = [STANDARD] if argument == str(STANDARD) else expand(argument)
        except CorpusError as error:
            failed.append(complain(argument, error))
            continue
        for path in paths:
            try:
                found = job(path, form, options.out)
                _claim(found.output, taken)
            except (FileError, OSError) as error:
                failed.append(complain(path, error))
            else:
                yield found


def _claim(output: Path | str | None, taken: set[Path | str]) -> None:
    """Raise ``FileError`` if ``output`` is already another file's."""
    if output in taken:
        raise FileError("output_taken", f"{output} is what another file's rows were written to; rename one of them")
    if output:
        taken.add(output)


def _score_here(
    jobs: Iterator[Job], options: argparse.Namespace, settings: Settings, bundle: Bundle, failed: list[str]
) -> None:
    """Score the files one after the other."""
    place = BundleAt(options.bundle, settings.dictionary or DEFAULT_DICTIONARY, settings.max_chars, bundle.digest)
    count = options.workers or available_cores()
    with processes(place, bundle.scorer, count=count) as submit:
        for each in jobs:
            try:
                with progress(name_of(each.source.path), total=each.source.size, unit="B") as advance:
                    tally = run(each, bundle.scorer, submit, count=count, advance=advance)
                print(summary(each, tally), file=sys.stderr)
            except (FileError, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                failed.append(complain(each.source.path, error))


def _place(text: str) -> Path | str:
    return text if "://" in text else Path(text)


def _processes(text: str) -> int:
    return _count("processes", 1024, text)


def _count(what: str, most: int, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {what} from 1 to {most:,}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
