"""Writes a corpus of logged predictions and the feedback on them, and reports the errors of the predictions.

    python train-corpus/feedback.py --redis redis://localhost --out feedback.csv
    python train-corpus/feedback.py --redis redis://localhost --report
    python train-corpus/feedback.py --redis redis://localhost --disagreements 20

Of several feedback entries on one prediction, the last counts. Its text, if it has one, replaces the logged one;
feedback without any text is counted and left out. The file is written atomically, as input for train.py.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from review_scorer.scoring.atomic_write import atomic_write_text
from review_scorer.tables.columns import printable
from review_training.command import CommandError, new_parser, run_command
from review_training.feedback_loop.feedback_db import FeedbackDatabase, ShadowDisagreement
from review_training.feedback_loop.redis_reader import add_log_arguments, log_location, read_feedback

_COLUMNS = ("stars", "texts", "id", "time", "score", "bundle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("feedback.py", __doc__)
    add_log_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="F.csv", help="write the corpus to this file")
    parser.add_argument("--report", action="store_true", help="print the errors of predictions by bundle and week")
    parser.add_argument(
        "--disagreements",
        type=int,
        nargs="?",
        const=10,
        metavar="N",
        help="list the N predictions (10) on which shadow and serving bundle differ most",
    )
    return run_command(parser, arguments, partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    location = log_location(parser, options)
    if not (options.out or options.report or options.disagreements):
        parser.error("nothing to do: add --out, --report or --disagreements")
    database = read_feedback(location)
    print(
        f"{database.predictions:,} predictions, {database.dropped:,} dropped ones that are not in the log; "
        f"feedback on {database.feedback:,}, {database.unknown:,} of them not in the log",
        file=sys.stderr,
    )
    if options.report:
        print("\n".join(report(database)))
    if options.disagreements:
        print("\n".join(disagreements(database, options.disagreements)))
    if options.out:
        write_corpus(database, options.out)
    return 0


def write_corpus(database: FeedbackDatabase, path: Path) -> None:
    """Write all feedback with a text to ``path``, atomically. Raises ``CommandError`` if there is none."""
    left_out = database.feedback - database.with_text
    print(f"{left_out:,} left out without a text (SCORER_PREDICTION_LOG_TEXT=masked keeps texts)", file=sys.stderr)
    if not database.with_text:
        raise CommandError(f"there is no feedback with a text; {path} was not written")
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(tqdm(database.reviews(), "write", database.with_text, unit="row", disable=None, leave=False))
    print(f"{database.with_text:,} reviews in {path}", file=sys.stderr)


def report(database: FeedbackDatabase) -> Iterable[str]:
    """Yield a table of the errors of each bundle, over all weeks and then by week (ISO 8601)."""
    yield f"{'bundle':<14}{'':8}{'week':<10}{'n':>9}{'RMSE':>8}{'MAE':>8}{'bias':>8}"
    for row in database.errors():
        role = "shadow" if row.is_shadow else ""
        figures = f"{row.rmse:8.3f}{row.mae:8.3f}{row.bias:+8.3f}"
        yield f"{row.bundle:<14}{role:8}{row.week or 'all':<10}{row.n:9,}{figures}"


def disagreements(database: FeedbackDatabase, most: int) -> Iterable[str]:
    """Yield a table of the predictions on which bundle and shadow differ most."""
    yield f"{'score':>7}{'shadow':>8}{'differ':>8}{'stars':>6}  {'id':<39} text"
    for row in database.disagreements(most):
        yield _disagreement_line(row)


def _disagreement_line(row: ShadowDisagreement) -> str:
    stars = "" if row.stars is None else f"{row.stars:g}"
    shown = printable(row.text) if row.text else f"(hash {row.hash})"
    return f"{row.score:7.3f}{row.shadow:8.3f}{row.shadow - row.score:+8.3f}{stars:>6}  {row.id:<39} {shown}"
