"""Trains again with feedback, and replaces the bundle if the new one is no worse.

    python train-corpus/retrain.py --redis redis://localhost --corpus reviews.csv --bundle build/bundle

One text in five of the feedback is held out, chosen by a hash of the text: so it is the same one every time, no
retraining ever learns from it, and both bundles are compared on it. The corpus must not contain these texts.
Options after `--` are options of train.py.

The exit status is 0 if the bundle was replaced, or if there is too little feedback to compare on; 1 if the new
bundle is worse; 2 after an error. Whenever it ends, even by a kill, the bundle is whole: the old one or the new one.
"""

import argparse
import csv
import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Layout
from review_scorer.scoring import bundle as bundles
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.text import normalise
from review_training.command import CommandError, new_parser, run_command
from review_training.corpus.arguments import CorpusInput
from review_training.evaluation.compare import ComparisonJob, compare, format_comparison
from review_training.feedback_loop.redis_reader import LogLocation, add_log_arguments, log_location, read_feedback
from review_training.runs.job import add_arguments, training_job
from review_training.runs.lock import lock_bundle
from review_training.runs.train import train

_HELD_OUT_EVERY = 5
"""One text in so many is held out."""


class RetrainError(CommandError):
    """A retraining that left the bundle as it was; the message gives the reason."""


@dataclass(frozen=True, kw_only=True)
class RetrainingJob:
    """The log of feedback, the bundle to replace, and the corpus and options of train.py.

    With fewer than ``min_reviews`` held-out reviews, the bundle is not replaced.
    """

    log: LogLocation
    bundle: Path
    corpus: Sequence[str]
    training_options: Sequence[str]
    min_reviews: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("retrain.py", __doc__)
    add_log_arguments(parser)
    parser.add_argument(
        "--corpus",
        nargs="+",
        required=True,
        metavar="PATH",
        help="the reviews to learn from besides the feedback, as for train.py, with 1-5 stars and the usual columns",
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to replace")
    parser.add_argument(
        "--min-reviews",
        type=int,
        default=100,
        metavar="N",
        help="held-out reviews to compare on; with fewer, the bundle is not replaced (default: %(default)s)",
    )
    parser.add_argument("training", nargs="*", metavar="OPTION", help="options of train.py, after `--`")
    return run_command(parser, arguments, partial(_run, parser), failed=2)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    job = RetrainingJob(
        log=log_location(parser, options),
        bundle=options.bundle,
        corpus=options.corpus,
        training_options=options.training,
        min_reviews=options.min_reviews,
    )
    return retrain(job)


def retrain(job: RetrainingJob) -> int:
    """Collect feedback, train, compare, replace; return the exit status.

    Raises ``CommandError``, ``CorpusError``, ``BundleError`` or ``OSError``.
    """
    bundles.load(job.bundle)  # reports a broken bundle before the work
    with lock_bundle(job.bundle), temporary_directory(job.bundle) as directory:
        learnt, held_out, new = directory / "feedback.csv", directory / "held-out.csv", directory / "bundle"
        count = collect_feedback(job.log, learnt, held_out)
        if count < job.min_reviews:
            _report_kept(job, f"{count} held-out reviews, fewer than --min-reviews {job.min_reviews}")
            return 0
        _train(job, learnt, new)
        corpus = CorpusInput(
            sources=[held_out], layout=Layout(), rejects=directory / "rejects.csv", description=str(held_out)
        )
        comparison = compare(ComparisonJob(bundle_a=job.bundle, bundle_b=new, corpus=corpus))
        print(format_comparison(comparison))
        if comparison.worse:
            _report_kept(job, "the new bundle is worse")
            return 1
        bundles.install(job.bundle, new)
    print(f"{job.bundle} was replaced: the new bundle is no worse on {count} held-out reviews")
    return 0


def _train(job: RetrainingJob, learnt: Path, new: Path) -> None:
    """Train the bundle ``new`` from the corpus and the feedback ``learnt``."""
    parser = new_parser("train.py", "Trains a bundle.")
    add_arguments(parser)
    files = ["--corpus", *job.corpus, str(learnt), "--bundle", str(new), "--rejects", f"{job.bundle}-rejects.csv"]
    try:
        train(training_job(parser, parser.parse_args([*files, *job.training_options])))
    except (CorpusError, BundleError) as error:
        raise RetrainError(f"training failed: {error}; {job.bundle} was not replaced") from error


def _report_kept(job: RetrainingJob, reason: str) -> None:
    print(f"retrain.py: {reason}; {job.bundle} was not replaced", file=sys.stderr)


@contextmanager
def temporary_directory(bundle: Path) -> Iterator[Path]:
    """Yield an empty directory on the file system of ``bundle``, and remove it afterwards.

    It stays after a kill, until the next retraining, and after a ``BundleError``: then it contains the new bundle,
    which could not be put in its place.
    """
    directory = bundle.absolute().with_name(f".{bundle.absolute().name}.retrain")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield directory
    except BundleError:
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


def collect_feedback(log: LogLocation, learnt: Path, held_out: Path) -> int:
    """Write the feedback that has texts into two files; return the number of reviews in ``held_out``."""
    database = read_feedback(log)
    count = 0
    with (
        learnt.open("w", encoding="utf-8", newline="") as learnt_file,
        held_out.open("w", encoding="utf-8", newline="") as held_out_file,
    ):
        writers = csv.writer(learnt_file), csv.writer(held_out_file)
        for writer in writers:
            writer.writerow(("stars", "texts"))
        for review in database.reviews():
            is_out = is_held_out(review.text)
            writers[is_out].writerow((review.stars, review.text))
            count += is_out
    print(f"feedback with a text: {database.with_text:,}, of which {count:,} held out", file=sys.stderr)
    return count


def is_held_out(text: str) -> bool:
    """Return whether a text is one of those that are never learnt from."""
    digest = hashlib.sha256(normalise(text).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _HELD_OUT_EVERY == 0
