"""Tests whether a bundle is worse than another, on a corpus that neither was trained on.

    python train-corpus/compare.py build/bundle build/mine --corpus other.csv

B is worse if the 95% interval of the difference B - A lies above 0 for the RMSE, or below 0 for Spearman's rank
correlation. The exit status is 1 if B is worse, 0 if not, and 2 if the bundles could not be compared.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Review
from review_scorer.scoring.bundle import load as load_bundle
from review_scorer.tables.columns import printable
from review_training.command import new_parser, run_command
from review_training.corpus.arguments import (
    CorpusInput,
    add_corpus_arguments,
    add_group_argument,
    corpus_input,
    integer_from,
    read_reviews,
)
from review_training.corpus.tokenized_corpus import Positions, Stars
from review_training.evaluation.rating_metrics import Figures, measure
from review_training.evaluation.score_reviews import score_reviews

DEFAULT_SAMPLES = 1_000
_PERCENTILES = (2.5, 97.5)
# With fewer than a hundred samples, the percentiles are hardly more than the extremes.
_FEWEST_SAMPLES = 100
_MOST_DISAGREEMENTS = 10


@dataclass(frozen=True, kw_only=True)
class ComparisonJob:
    """Two bundles, the reviews to compare them on, and the number and seed of bootstrap samples."""

    bundle_a: Path
    bundle_b: Path
    corpus: CorpusInput
    samples: int = DEFAULT_SAMPLES
    seed: int = 1


@dataclass(frozen=True)
class Difference:
    """A figure of both bundles, the difference B - A, and the ends of that difference's interval."""

    a: float
    b: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Disagreement:
    """A review's first 60 characters, its true stars, and the stars that each bundle predicts."""

    text: str
    stars: float
    a: float
    b: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The differences by figure, the reviews that the bundles differ most on, and the figures by which B is worse."""

    bundle_a: str
    bundle_b: str
    rows: int
    samples: int
    seed: int
    group_column: str
    figures: Mapping[str, Difference]
    differ_most: Sequence[Disagreement]
    worse: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("compare.py", __doc__)
    parser.add_argument("bundle_a", type=_absolute, metavar="BUNDLE_A", help="the bundle to compare with")
    parser.add_argument("bundle_b", type=_absolute, metavar="BUNDLE_B", help="the bundle that may be worse")
    add_corpus_arguments(parser, rejects_suffix="-compare-rejects.csv")
    add_group_argument(parser, effect="bootstrap samples draw together")
    parser.add_argument(
        "--samples",
        type=integer_from(_FEWEST_SAMPLES),
        default=DEFAULT_SAMPLES,
        metavar="N",
        help="bootstrap samples (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=integer_from(0), default=1, metavar="N", help="of the samples (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return run_command(parser, arguments, _run, failed=2)


def _run(options: argparse.Namespace) -> int:
    job = ComparisonJob(
        bundle_a=options.bundle_a,
        bundle_b=options.bundle_b,
        corpus=corpus_input(options, bundle=options.bundle_b, group_column=options.group_column),
        samples=options.samples,
        seed=options.seed,
    )
    comparison = compare(job)
    print(json.dumps(asdict(comparison), ensure_ascii=False) if options.json else format_comparison(comparison))
    return 1 if comparison.worse else 0


def compare(job: ComparisonJob) -> Comparison:
    """Compare the two bundles. Raises ``BundleError`` or ``CorpusError`` when they cannot be compared."""
    # Training has no limit on the length of texts, so measuring needs none.
    scorers = [load_bundle(bundle, max_chars=sys.maxsize).scorer for bundle in (job.bundle_a, job.bundle_b)]
    reviews = read_reviews(job.corpus).reviews
    clusters = cluster_positions([review.group for review in reviews])
    group_column = job.corpus.layout.group_column
    if len(clusters) < 2:
        raise CorpusError(f"an interval takes at least 2 reviews, or {group_column or 'group'}s of them")
    a, b = score_reviews(scorers, [review.text for review in reviews])
    true = np.array([review.stars for review in reviews])
    figures = differences(true, a, b, clusters, samples=job.samples, seed=job.seed)
    return Comparison(
        bundle_a=str(job.bundle_a),
        bundle_b=str(job.bundle_b),
        rows=len(reviews),
        samples=job.samples,
        seed=job.seed,
        group_column=group_column,
        figures=figures,
        differ_most=disagreements(reviews, a, b),
        worse=worse_figures(figures),
    )


def cluster_positions(groups: Sequence[str]) -> list[Positions]:
    """Return the positions of the reviews that are drawn together: each by itself if there are no groups."""
    owners = np.unique(groups, return_inverse=True)[1] if any(groups) else np.arange(len(groups))
    return np.split(np.argsort(owners, kind="stable"), np.cumsum(np.bincount(owners))[:-1])


def differences(
    true: Stars,
    a: Stars,
    b: Stars,
    clusters: Sequence[NDArray[np.int64]],
    *,
    samples: int,
    seed: int,
) -> dict[str, Difference]:
    """Return each figure of ``a`` and ``b`` and the 95% interval of their difference.

    The interval is the paired percentile bootstrap's (Efron and Tibshirani 1993, chapter 13): each sample draws as many
    clusters as there are, with replacement, and measures both on the same draw.
    """
    generator = np.random.default_rng(seed)
    drawn = np.empty((samples, len(Figures._fields)))
    for sample in tqdm(range(samples), desc="bootstrap", unit="sample", disable=None, leave=False):
        chosen = generator.integers(len(clusters), size=len(clusters))
        rows = np.concatenate([clusters[cluster] for cluster in chosen])
        drawn[sample] = np.subtract(measure(true[rows], b[rows]), measure(true[rows], a[rows]))
    low, high = np.percentile(drawn, _PERCENTILES, axis=0)
    whole_a, whole_b = measure(true, a), measure(true, b)
    columns = (whole_a, whole_b, np.subtract(whole_b, whole_a), low, high)
    return {
        name: Difference(*(round(float(value), 6) for value in values))
        for name, *values in zip(Figures._fields, *columns, strict=True)
    }


def worse_figures(figures: Mapping[str, Difference]) -> list[str]:
    """Return the figures by which B is significantly worse: of the RMSE and Spearman's rank correlation."""
    worse = {"rmse": figures["rmse"].low > 0, "spearman": figures["spearman"].high < 0}
    return [name for name, is_worse in worse.items() if is_worse]


def disagreements(reviews: Sequence[Review], a: Stars, b: Stars) -> list[Disagreement]:
    """Return the ten reviews on which the two differ most, or fewer if they differ on fewer."""
    furthest = np.argsort(-np.abs(b - a), kind="stable")[:_MOST_DISAGREEMENTS]
    return [
        Disagreement(printable(reviews[row].text), reviews[row].stars, round(float(a[row]), 6), round(float(b[row]), 6))
        for row in furthest
        if a[row] != b[row]
    ]


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison as tables, with the verdict in the last lines."""
    by = f" by {comparison.group_column}" if comparison.group_column else ""
    lines = [
        f"A: {comparison.bundle_a}",
        f"B: {comparison.bundle_b}",
        f"{comparison.rows:,} reviews; 95% intervals from {comparison.samples:,} bootstrap samples{by}",
        f"{'':10}{'A':>10}{'B':>10}{'B - A':>10}{'from':>10}{'to':>10}",
    ]
    for name, figure in comparison.figures.items():
        signed = "".join(f"{value:+10.4f}" for value in (figure.difference, figure.low, figure.high))
        lines.append(f"{name:10}{figure.a:10.4f}{figure.b:10.4f}{signed}")
    if comparison.differ_most:
        lines += ["", f"{'stars':>5}{'A':>7}{'B':>7}  largest differences"]
        lines += [f"{row.stars:5.3g}{row.a:7.2f}{row.b:7.2f}  {row.text}" for row in comparison.differ_most]
    verdicts = [_verdict(name, comparison.figures[name]) for name in comparison.worse]
    return "\n".join([*lines, "", *(verdicts or ["B is not worse, by rmse or by spearman"])])


def _verdict(name: str, figure: Difference) -> str:
    side = "above" if figure.low > 0 else "below"
    return f"B is worse by {name}: the interval of B - A, {figure.low:+.4f} to {figure.high:+.4f}, lies {side} 0"


def _absolute(text: str) -> Path:
    return Path(text).absolute()  # "." has no name, and the rejects file is named after the bundle
