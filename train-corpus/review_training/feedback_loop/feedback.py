"""Make a corpus of what was predicted and what people said of it, and show how far the two were apart.

    python train-corpus/feedback.py --redis redis://localhost --out feedback.csv
    python train-corpus/feedback.py --redis redis://localhost --report
    python train-corpus/feedback.py --redis redis://localhost --disagreements 20

Of feedback on the same prediction, the last counts. Its text, where one was sent, goes before the recorded one;
feedback whose text nobody kept is counted and left out of the corpus. The file is written in one step, and train.py
reads it.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from review_scorer.scoring.atomic_write import atomic_write_text
from review_scorer.tables.columns import printable
from review_training.feedback_loop.feedback_db import FeedbackDatabase, Pair
from review_training.feedback_loop.redis_reader import RedisReadError, read_history

_COLUMNS = ("stars", "texts", "id", "time", "score", "bundle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_record_options(parser)
    parser.add_argument("--out", type=Path, metavar="F.csv", help="write the corpus")
    parser.add_argument("--report", action="store_true", help="compare predicted with true stars, by bundle and week")
    parser.add_argument(
        "--disagreements",
        type=int,
        nargs="?",
        const=10,
        metavar="N",
        help="list the N predictions (10) on which the shadow differs most from the bundle that answered",
    )
    options = parser.parse_args(arguments)
    require_redis(parser, options)
    if not (options.out or options.report or options.disagreements):
        parser.error("nothing to do: give --out, --report or --disagreements")
    try:
        return run(options)
    except RedisReadError as error:
        print(f"feedback.py: {error}", file=sys.stderr)
        return 1


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the record is."""
    parser.add_argument(
        "--redis",
        default=os.environ.get("SCORER_REDIS_URL"),
        metavar="URL",
        help="where the service records, as in its SCORER_REDIS_URL (default: that variable)",
    )
    parser.add_argument(
        "--stream",
        default="predictions",
        metavar="NAME",
        help="its SCORER_PREDICTION_LOG_STREAM (default: %(default)s)",
    )


def require_redis(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a line when nothing says where the record is."""
    if not options.redis:
        parser.error("--redis is wanted, as in redis://localhost:6379/0")


def run(options: argparse.Namespace) -> int:
    """Read the record, and do what ``options`` ask for with it."""
    joined = FeedbackDatabase()
    read_history(joined, options.redis, options.stream)
    print(
        f"{joined.count('prediction'):,} predictions, {joined.dropped:,} that were not recorded; "
        f"feedback on {joined.count('feedback'):,}, {joined.unknown:,} of which the record has not",
        file=sys.stderr,
    )
    status = write_corpus(joined, options.out) if options.out else 0
    if options.report:
        print("\n".join(report(joined)))
    if options.disagreements:
        print("\n".join(disagreements(joined, options.disagreements)))
    return status


def write_corpus(joined: FeedbackDatabase, path: Path) -> int:
    """Write what has stars and a text to ``path``, in one step; return 1 and leave ``path`` alone if there is none."""
    left_out = joined.count("feedback") - joined.with_text
    print(f"{left_out:,} left out: nobody kept their texts (SCORER_PREDICTION_LOG_TEXT=masked would)", file=sys.stderr)
    if not joined.with_text:
        print(f"feedback.py: there is no feedback with a text; {path} was not written", file=sys.stderr)
        return 1
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(tqdm(joined.corpus(), "write", joined.with_text, unit="row", disable=None, leave=False))
    print(f"{joined.with_text:,} reviews in {path}", file=sys.stderr)
    return 0


def report(joined: FeedbackDatabase) -> Iterable[str]:
    """Yield a table of how far predictions were from what people said: each bundle in all, then by week (ISO 8601)."""
    yield f"{'bundle':<14}{'':8}{'week':<10}{'n':>9}{'RMSE':>8}{'MAE':>8}{'bias':>8}"
    for row in joined.errors():
        role = "shadow" if row.is_shadow else ""
        figures = f"{row.rmse:8.3f}{row.mae:8.3f}{row.bias:+8.3f}"
        yield f"{row.bundle:<14}{role:8}{row.week or 'all':<10}{row.n:9,}{figures}"


def disagreements(joined: FeedbackDatabase, most: int) -> Iterable[str]:
    """Yield a table of the predictions on which both bundles differ most."""
    yield f"{'score':>7}{'shadow':>8}{'differ':>8}{'said':>6}  {'id':<39} text"
    for pair in joined.disagreements(most):
        yield _line(pair)


def _line(pair: Pair) -> str:
    said = "" if pair.stars is None else f"{pair.stars:g}"
    shown = printable(pair.text) if pair.text else f"(hash {pair.hash})"
    return f"{pair.score:7.3f}{pair.shadow:8.3f}{pair.shadow - pair.score:+8.3f}{said:>6}  {pair.id:<39} {shown}"
