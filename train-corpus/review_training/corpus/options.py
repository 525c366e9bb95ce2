"""The command-line options that training and evaluation share, and how a corpus is read with them."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location, expand
from review_scorer.corpora.reviews import Corpus, Layout, Reject, read, write_rejects
from review_scorer.tables.columns import STARS_COLUMNS, TEXT_COLUMNS


def add_corpus_options(parser: argparse.ArgumentParser, *, rejects: str) -> None:
    """Add the options that say which reviews to read, and how.

    Skipped rows are listed beside the bundle, in a file whose name ends in ``rejects``: each script has its own list.
    """
    parser.set_defaults(rejects_ending=rejects)
    parser.add_argument(
        "--corpus",
        nargs="+",
        required=True,
        metavar="PATH",
        help="CSV, TSV, JSON Lines, Parquet (each also .gz), or a directory of one-object-a-file JSON; quoted, also "
        "patterns like 'reviews-*.csv.gz' and URLs like gs://bucket/reviews-*.parquet",
    )
    parser.add_argument(
        "--text-column", default="", metavar="C", help=f"default: the first of {', '.join(TEXT_COLUMNS)}"
    )
    parser.add_argument(
        "--stars-column", default="", metavar="C", help=f"default: the first of {', '.join(STARS_COLUMNS)}"
    )
    parser.add_argument("--encoding", default="utf-8", help="of the files, such as cp932 (default: %(default)s)")
    parser.add_argument(
        "--scale",
        type=_scale,
        default=(1.0, 5.0),
        metavar="LOW-HIGH",
        help="lowest and highest rating of the corpus, mapped to 1-5 stars (default: 1-5)",
    )
    parser.add_argument(
        "--rejects", type=Path, metavar="F", help=f"where skipped rows are listed (default: BUNDLE{rejects})"
    )


def layout_of(arguments: argparse.Namespace, *, group_column: str = "") -> Layout:
    """Return how the options say that the corpus is laid out."""
    return Layout(
        text_column=arguments.text_column,
        stars_column=arguments.stars_column,
        group_column=group_column,
        encoding=arguments.encoding,
        scale=arguments.scale,
    )


def sources_of(arguments: argparse.Namespace) -> list[Location]:
    """Return the files that the options name; raise ``CorpusError`` where one is not there."""
    return [source for argument in arguments.corpus for source in expand(argument)]


def read_corpus(arguments: argparse.Namespace, *, group_column: str = "") -> Corpus:
    """Return the corpus that the options name; what was left out is told on stderr and listed in the rejects file.

    Raises ``CorpusError`` when nothing is left.
    """
    corpus = read(sources_of(arguments), layout_of(arguments, group_column=group_column))
    tell(arguments, len(corpus.reviews), corpus.duplicates, corpus.rejects)
    return corpus


def tell(arguments: argparse.Namespace, reviews: int, duplicates: int, rejects: Sequence[Reject]) -> None:
    """Say on stderr what was read, and list what was not. Raises ``CorpusError`` when nothing is left."""
    listed = arguments.rejects or arguments.bundle.with_name(arguments.bundle.name + arguments.rejects_ending)
    print(f"{reviews:,} reviews; {duplicates:,} exact duplicates dropped", file=sys.stderr)
    if rejects:
        write_rejects(rejects, listed)
        counted = Counter(reject.reason for reject in rejects).most_common()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counted)
        print(f"{len(rejects):,} rows skipped ({reasons}), listed in {listed}", file=sys.stderr)
    else:
        listed.unlink(missing_ok=True)  # of an earlier run
    if not reviews:
        raise CorpusError(f"{', '.join(arguments.corpus)}: no row with text and stars")


def whole_number(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least ``least``, and of 32 bits."""

    def read_number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) < 2**32:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return read_number


def _scale(text: str) -> tuple[float, float]:
    low, dash, high = text.rpartition("-")
    try:
        scale = (float(low), float(high))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 0-10") from None
    if not dash or not scale[0] < scale[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: the lowest rating comes first, like 0-10")
    return scale
