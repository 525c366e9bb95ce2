"""Measures a bundle on a corpus that it was not trained on.

python train-corpus/evaluate.py --bundle build/bundle --corpus other.csv --json
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from review_scorer.scoring.bundle import load as load_bundle
from review_training.command import new_parser, run_command
from review_training.corpus.arguments import (
    CorpusInput,
    add_corpus_arguments,
    add_dictionary_argument,
    corpus_input,
    read_reviews,
)
from review_training.evaluation.rating_metrics import Figures, flatten_figures, format_figures, measure
from review_training.evaluation.score_reviews import score_reviews


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """A bundle, the dictionary that it was trained with, and the reviews to measure it on."""

    bundle: Path
    dictionary: Path
    corpus: CorpusInput


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("evaluate.py", __doc__)
    add_corpus_arguments(parser, rejects_suffix="-evaluate-rejects.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to measure")
    add_dictionary_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return run_command(parser, arguments, _run)


def _run(options: argparse.Namespace) -> int:
    corpus = corpus_input(options, bundle=options.bundle)
    job = EvaluationJob(bundle=options.bundle, dictionary=options.dictionary, corpus=corpus)
    rows, figures = evaluate(job)
    if options.json:
        print(json.dumps(flatten_figures(rows, figures)))
    else:
        print(f"{rows:,} reviews\n{format_figures(figures)}")
    return 0


def evaluate(job: EvaluationJob) -> tuple[int, Mapping[str, Figures]]:
    """Return the number of reviews, and the figures of the bundle and of the mean of its training stars.

    Raises ``BundleError`` or ``CorpusError`` when one cannot be read.
    """
    reviews = read_reviews(job.corpus).reviews
    # The longest text sets the limit: training has none, so measuring needs none.
    longest = max(len(review.text) for review in reviews)
    bundle = load_bundle(job.bundle, dictionary=job.dictionary, max_chars=longest)
    (predicted,) = score_reviews([bundle.scorer], [review.text for review in reviews])
    stars = np.array([review.stars for review in reviews])
    constant = np.full(len(stars), bundle.manifest["corpus"]["mean_stars"])
    return len(stars), {"model": measure(stars, predicted), "constant": measure(stars, constant)}
