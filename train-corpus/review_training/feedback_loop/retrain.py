"""Train again with what people said, and replace the bundle when the new one is no worse.

    python train-corpus/retrain.py --redis redis://localhost --corpus reviews.csv --bundle build/bundle -- --no-original

Of the feedback, one text in five is kept apart, chosen by a hash of the text: so it is the same one every time, no
retraining ever learns from it, and both bundles are compared on what neither knows. The corpus must not hold it.
What stands after `--` goes to train.py.

The exit status is 0 when the bundle was replaced, and when there is too little feedback to tell yet; 1 when the new
bundle is worse, and 2 when something went wrong. However it ends, a kill included, the bundle is whole: old or new.
"""

import argparse
import csv
import hashlib
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring import bundle
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.text import normalise
from review_training.evaluation import compare
from review_training.feedback_loop.feedback import add_record_options, require_redis
from review_training.feedback_loop.feedback_db import FeedbackDatabase
from review_training.feedback_loop.redis_reader import RedisReadError, read_history
from review_training.runs import train
from review_training.runs.lock import alone

_APART = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_record_options(parser)
    parser.add_argument(
        "--corpus",
        nargs="+",
        required=True,
        metavar="PATH",
        help="what to learn from beside the feedback, as for train.py; 1-5 stars, columns of the usual names",
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to replace")
    parser.add_argument(
        "--least",
        type=int,
        default=100,
        metavar="N",
        help="reviews to compare on; with fewer, the bundle stays (default: %(default)s)",
    )
    parser.add_argument("training", nargs="*", metavar="OPTION", help="options of train.py, after `--`")
    options = parser.parse_args(arguments)
    require_redis(parser, options)
    try:
        return retrain(options)
    except (RedisReadError, CorpusError, BundleError, OSError) as error:
        print(f"retrain.py: {error}", file=sys.stderr)
        return 2
    except Exception:  # noqa: BLE001 - Python's own status for it, 1, would say that the new bundle is worse
        traceback.print_exc()
        return 2


def retrain(options: argparse.Namespace) -> int:
    """Collect, train, compare, replace; return the exit status."""
    bundle.load(options.bundle)  # what ails it is told before the work
    with alone(options.bundle), place_beside(options.bundle) as place:
        learnt, apart, new = place / "feedback.csv", place / "apart.csv", place / "bundle"
        count = collect(options, learnt, apart)
        if count < options.least:
            return ended(f"{count} reviews to compare on are too few, --least asks for {options.least}", options, 0)
        rejects = f"{options.bundle}-rejects.csv"
        corpus = ["--corpus", *options.corpus, str(learnt)]
        if train.main([*corpus, "--bundle", str(new), "--rejects", rejects, *options.training]):
            return ended("training ended without a new bundle", options, 2)
        status = compare.main([str(options.bundle), str(new), "--corpus", str(apart)])
        if status:
            return ended("the new bundle is worse" if status == 1 else "the bundles were not compared", options, status)
        bundle.install(options.bundle, new)
    print(f"{options.bundle} was replaced: the new one is no worse on {count} reviews that neither learnt from")
    return 0


def ended(why: str, options: argparse.Namespace, status: int) -> int:
    """Say why the bundle stays; return the status."""
    print(f"retrain.py: {why}; {options.bundle} stays as it is", file=sys.stderr)
    return status


@contextmanager
def place_beside(directory: Path) -> Iterator[Path]:
    """Give an empty directory on the bundle's file system; it is gone afterwards, or with the next retraining."""
    place = directory.absolute().with_name(f".{directory.absolute().name}.retrain")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        yield place
    except BundleError:  # it may say that the new bundle lies here, whole
        raise
    except BaseException:
        shutil.rmtree(place)
        raise
    shutil.rmtree(place)


def collect(options: argparse.Namespace, learnt: Path, apart: Path) -> int:
    """Write the feedback that has texts as two corpora; return how many reviews are kept apart."""
    joined = FeedbackDatabase()
    read_history(joined, options.redis, options.stream)
    count = 0
    with learnt.open("w", encoding="utf-8", newline="") as one, apart.open("w", encoding="utf-8", newline="") as other:
        writers = csv.writer(one), csv.writer(other)
        for writer in writers:
            writer.writerow(("stars", "texts"))
        for stars, text, *_ in joined.corpus():
            kept = is_apart(text)
            writers[kept].writerow((stars, text))
            count += kept
    print(f"feedback with a text: {joined.with_text:,}, of which {count:,} are kept apart", file=sys.stderr)
    return count


def is_apart(text: str) -> bool:
    """Return whether a text is one of those that are never learnt from."""
    digest = hashlib.sha256(normalise(text).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _APART == 0
