"""The command-line arguments that several commands share: which reviews to read, how, and with which dictionary."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location, expand
from review_scorer.corpora.reviews import Corpus, Layout, Reject, read, write_rejects
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.tables.columns import STARS_COLUMNS, TEXT_COLUMNS


@dataclass(frozen=True, kw_only=True)
class CorpusInput:
    """The files of a corpus, their layout, and the file in which rejected rows are listed.

    ``description`` names the files as the user did.
    """

    sources: Sequence[Location]
    layout: Layout
    rejects: Path
    description: str


def add_corpus_arguments(parser: argparse.ArgumentParser, *, rejects_suffix: str) -> None:
    """Add the arguments of ``corpus_input``.

    Each command has a ``rejects_suffix`` of its own: rejected rows are by default listed in BUNDLE + suffix.
    """
    parser.set_defaults(rejects_suffix=rejects_suffix)
    parser.add_argument(
        "--corpus",
        nargs="+",
        required=True,
        metavar="PATH",
        help="CSV, TSV, JSON Lines, Parquet (each also .gz), or a directory of JSON files with one object each; also "
        "quoted patterns like 'reviews-*.csv.gz' and URLs like gs://bucket/reviews-*.parquet",
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
        help="lowest and highest rating of the corpus, mapped linearly to 1-5 stars (default: 1-5)",
    )
    parser.add_argument(
        "--rejects",
        type=Path,
        metavar="F",
        help=f"the CSV file that lists rejected rows (default: BUNDLE{rejects_suffix})",
    )


def add_group_argument(parser: argparse.ArgumentParser, *, effect: str) -> None:
    """Add ``--group-column``; ``effect`` says what happens to reviews with the same value."""
    parser.add_argument(
        "--group-column", default="", metavar="C", help=f"{effect} reviews with the same value (of one product, say)"
    )


def add_dictionary_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--dictionary``, for commands that read a bundle."""
    parser.add_argument(
        "--dictionary",
        type=Path,
        default=DEFAULT_DICTIONARY,
        metavar="DIR",
        help="the compiled MeCab dictionary that the bundle was trained with (default: IPADIC)",
    )


def corpus_input(options: argparse.Namespace, *, bundle: Path, group_column: str = "") -> CorpusInput:
    """Return the corpus that the options name; raise ``CorpusError`` if a file does not exist."""
    return CorpusInput(
        sources=[source for argument in options.corpus for source in expand(argument)],
        layout=Layout(
            text_column=options.text_column,
            stars_column=options.stars_column,
            group_column=group_column,
            encoding=options.encoding,
            scale=options.scale,
        ),
        rejects=options.rejects or bundle.with_name(bundle.name + options.rejects_suffix),
        description=", ".join(options.corpus),
    )


def read_reviews(corpus: CorpusInput) -> Corpus:
    """Return the reviews of a corpus, and report them as ``report_reading`` does.

    Raises ``CorpusError`` if there is none.
    """
    found = read(corpus.sources, corpus.layout)
    report_reading(corpus, reviews=len(found.reviews), duplicates=found.duplicates, rejects=found.rejects)
    return found


def report_reading(corpus: CorpusInput, *, reviews: int, duplicates: int, rejects: Sequence[Reject]) -> None:
    """Print to stderr how many rows were read, and list the rejected ones in a file. Raise ``CorpusError`` if none was.

    A list of an earlier run is removed if no row was rejected.
    """
    print(f"{reviews:,} reviews; {duplicates:,} exact duplicates dropped", file=sys.stderr)
    if rejects:
        write_rejects(rejects, corpus.rejects)
        counts = Counter(reject.reason for reject in rejects).most_common()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
        print(f"{len(rejects):,} rows skipped ({reasons}), listed in {corpus.rejects}", file=sys.stderr)
    else:
        corpus.rejects.unlink(missing_ok=True)
    if not reviews:
        raise CorpusError(f"{corpus.description}: no row with text and stars")


def integer_from(least: int) -> Callable[[str], int]:
    """Return the argument type of integers of at least ``least`` and of 32 bits."""

    def read_number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) < 2**32:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least {least}")
        return int(text)

    return read_number


def _scale(text: str) -> tuple[float, float]:
    low, dash, high = text.rpartition("-")
    try:
        scale = (float(low), float(high))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 0-10") from None
    if not dash or not scale[0] < scale[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: the lowest rating comes first, like 0-10")
    return scale
