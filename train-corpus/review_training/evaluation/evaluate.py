"""Measure a bundle on a corpus that it was not trained on.

python train-corpus/evaluate.py --bundle build/bundle --corpus other.csv --json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_training.corpus.options import add_corpus_options, read_corpus
from review_training.evaluation.rating_metrics import Figures, measure, report, table

_BATCH = 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_corpus_options(parser, rejects="-evaluate-rejects.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to measure")
    parser.add_argument(
        "--dictionary",
        type=Path,
        default=DEFAULT_DICTIONARY,
        metavar="DIR",
        help="the compiled MeCab dictionary that the bundle was trained with (default: IPADIC)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)
    try:
        figures = evaluate(options)
    except (CorpusError, BundleError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    rows, measured = figures
    print(json.dumps(report(rows, measured)) if options.json else f"{rows:,} reviews\n{table(measured)}")
    return 0


def evaluate(options: argparse.Namespace) -> tuple[int, dict[str, Figures]]:
    """Return the number of reviews, and the figures of the bundle and of the mean of its training stars."""
    corpus = read_corpus(options)
    # Training has no limit on length, so neither has measuring: the longest text sets it.
    bundle = load(
        options.bundle, dictionary=options.dictionary, max_chars=max(len(review.text) for review in corpus.reviews)
    )
    texts = [review.text for review in corpus.reviews]
    predicted: list[float] = []
    with tqdm(total=len(texts), desc="score", unit="review", disable=None, leave=False) as progress:
        for start in range(0, len(texts), _BATCH):
            predicted += bundle.scorer.score_many(texts[start : start + _BATCH])
            progress.update(len(texts[start : start + _BATCH]))
    stars = np.array([review.stars for review in corpus.reviews])
    constant = np.full(len(stars), bundle.manifest["corpus"]["mean_stars"])
    return len(stars), {"model": measure(stars, np.array(predicted)), "constant": measure(stars, constant)}
