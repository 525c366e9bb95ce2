"""Print the SHA-256 of the scores of fixed texts; equal digests mean equal scores to the last bit.

    python -m tools.replay.score_digest --bundle build/bundle --corpus train-corpus/reviews.csv

The texts are 2,000 evenly spaced rows of a corpus, and unusual strings. The first line is the digest of the texts, the
others of their scores, one by one and as one list. Each digest is of the reprs, one in each line.
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from review_scorer.scoring.bundle import load
from tools.replay.cases.texts import ODD, REVIEWS

_ROWS = 2_000
# A prime, so that characters of all Unicode blocks are sampled.
_STEP = 1_999
_SURROGATES = range(0xD800, 0xE000)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay.score_digest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, default=Path("build/bundle"), metavar="DIR")
    parser.add_argument("--corpus", type=Path, default=Path("train-corpus/reviews.csv"), metavar="FILE")
    parser.add_argument("--column", default="texts", metavar="NAME", help="the column of the text (default: texts)")
    options = parser.parse_args(given)
    texts = [*rows(options.corpus, options.column), *odd_texts()]
    scorer = load(options.bundle).scorer
    print(f"{len(texts)} texts    {_digest(map(repr, texts))}")
    print(f"one by one    {_digest(repr(float(scorer.score(text))) for text in texts)}")
    print(f"as one list   {_digest(repr(float(score)) for score in scorer.score_many(texts))}")
    return 0


def rows(corpus: Path, column: str) -> list[str]:
    """Return the texts of 2,000 evenly spaced rows."""
    with corpus.open(encoding="utf-8", newline="") as file:
        texts = [row[column] for row in csv.DictReader(file)]
    return texts[:: max(1, len(texts) // _ROWS)][:_ROWS]


def odd_texts() -> list[str]:
    """Return strings that are unusual, long, or made of characters from all of Unicode."""
    points = [point for point in range(1, sys.maxunicode + 1, _STEP) if point not in _SURROGATES]
    single = [chr(point) for point in points if not chr(point).isspace()]
    mixed = ["".join(single[start::40]) for start in range(40)]
    turned = [text[::-1] for text in REVIEWS]
    doubled = [text * times for text in REVIEWS for times in (2, 7, 50)]
    long = ["良い" * 5_000, "a" * 10_000, "悪" * 9_999 + "。"]
    return [*ODD.values(), *REVIEWS, *single, *mixed, *turned, *doubled, *long]


def _digest(values: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
