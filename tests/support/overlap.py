"""Finds runs of 15 characters that a corpus shares with others, ignoring white space: nothing may be copied.

python tests/support/overlap.py train-corpus/reviews.csv other.csv …
"""

import argparse
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Layout, read

RUN = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each review of the first corpus that shares a run; return 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("others", type=Path, nargs="+", metavar="other")
    options = parser.parse_args(arguments)
    try:
        elsewhere = {run for review in read(options.others, Layout()).reviews for run in runs(review.text)}
        own = [review.text for review in read([options.corpus], Layout()).reviews]
    except CorpusError as error:
        print(f"overlap.py: {error}", file=sys.stderr)
        return 2
    shared = [(text, run) for text in own for run in runs(text) if run in elsewhere]
    for text, run in shared:
        print(f"{run}: {text[:60]}")
    print(f"{len(own):,} reviews, {len(shared):,} runs of {RUN} characters shared with {len(elsewhere):,}")
    return 1 if shared else 0


def runs(text: str) -> Iterator[str]:
    """Yield every run of 15 characters of ``text`` in NFKC, without white space."""
    folded = "".join(unicodedata.normalize("NFKC", text).split())
    for start in range(len(folded) - RUN + 1):
        yield folded[start : start + RUN]


if __name__ == "__main__":
    sys.exit(main())
