"""Say whether one bundle is worse than another, on a corpus that neither was trained on.

    python train-corpus/compare.py build/bundle build/mine --corpus other.csv

B is worse when the 95% interval of the difference B - A lies wholly above 0 for the RMSE, or wholly below 0 for
Spearman's rank correlation. The exit status is then 1, else 0; it is 2 when the two cannot be compared.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Review
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.columns import printable
from review_training.corpus.options import add_corpus_options, read_corpus, whole_number
from review_training.evaluation.rating_metrics import Figures, measure

_BATCH = 1_000
_PERCENTILES = (2.5, 97.5)
# Below a hundred samples, the percentiles are hardly more than the extremes.
_FEWEST_SAMPLES = 100
_SHOWN = 10


@dataclass(frozen=True)
class Difference:
    """One figure of both bundles, what B's has more than A's, and the ends of that difference's interval."""

    a: float
    b: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Disagreement:
    """A review's first 60 characters, its true stars, and what each bundle gives it."""

    text: str
    stars: float
    a: float
    b: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is printed: figures by name, the reviews that differ most, and the figures by which B is worse."""

    bundle_a: str
    bundle_b: str
    rows: int
    samples: int
    seed: int
    group_column: str
    figures: dict[str, Difference]
    differ_most: list[Disagreement]
    worse: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("bundle_a", type=_place, metavar="BUNDLE_A", help="the bundle to hold the other against")
    # Named as in the other scripts: rejects are listed beside it.
    parser.add_argument("bundle", type=_place, metavar="BUNDLE_B", help="the bundle that may be worse")
    add_corpus_options(parser, rejects="-compare-rejects.csv")
    parser.add_argument(
        "--group-column",
        default="",
        metavar="C",
        help="draw reviews with the same value (of one product, say) together",
    )
    parser.add_argument(
        "--samples",
        type=whole_number(_FEWEST_SAMPLES),
        default=1_000,
        metavar="N",
        help="bootstrap samples (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=1, metavar="N", help="of the samples (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(arguments)
    try:
        comparison = compare(options)
    except (CorpusError, BundleError, OSError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(comparison), ensure_ascii=False) if options.json else tables(comparison))
    return 1 if comparison.worse else 0


def compare(options: argparse.Namespace) -> Comparison:
    """Return how the two bundles compare. Raises ``BundleError`` or ``CorpusError`` when they cannot be compared."""
    # Training has no limit on length, so neither has measuring.
    scorers = [load(bundle, max_chars=sys.maxsize).scorer for bundle in (options.bundle_a, options.bundle)]
    reviews = read_corpus(options, group_column=options.group_column).reviews
    clusters = clustered([review.group for review in reviews])
    if len(clusters) < 2:
        raise CorpusError(f"an interval takes at least 2 reviews, or {options.group_column or 'group'}s of them")
    a, b = scores(scorers, [review.text for review in reviews])
    true = np.array([review.stars for review in reviews])
    figures = differences(true, a, b, clusters, samples=options.samples, seed=options.seed)
    return Comparison(
        bundle_a=str(options.bundle_a),
        bundle_b=str(options.bundle),
        rows=len(reviews),
        samples=options.samples,
        seed=options.seed,
        group_column=options.group_column,
        figures=figures,
        differ_most=disagreements(reviews, a, b),
        worse=worse(figures),
    )


def clustered(groups: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the positions of the reviews that are drawn together: each by itself where there are no groups."""
    owner = np.unique(groups, return_inverse=True)[1] if any(groups) else np.arange(len(groups))
    return np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])


def scores(scorers: Sequence[Scorer], texts: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return the stars that each scorer gives to the texts."""
    stars: list[list[float]] = [[] for _ in scorers]
    with tqdm(total=len(texts), desc="score", unit="review", disable=None, leave=False) as progress:
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            for own, scorer in zip(stars, scorers, strict=True):
                own.extend(scorer.score_many(batch))
            progress.update(len(batch))
    return [np.array(own) for own in stars]


def differences(
    true: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
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


def worse(figures: dict[str, Difference]) -> list[str]:
    """Return the figures by which B is worse beyond chance: of the RMSE and Spearman's rank correlation."""
    found = {"rmse": figures["rmse"].low > 0, "spearman": figures["spearman"].high < 0}
    return [name for name, is_worse in found.items() if is_worse]


def disagreements(reviews: Sequence[Review], a: NDArray[np.float64], b: NDArray[np.float64]) -> list[Disagreement]:
    """Return the ten reviews, or as many as differ at all, on which the two differ most."""
    furthest = np.argsort(-np.abs(b - a), kind="stable")[:_SHOWN]
    return [
        Disagreement(printable(reviews[row].text), reviews[row].stars, round(float(a[row]), 6), round(float(b[row]), 6))
        for row in furthest
        if a[row] != b[row]
    ]


def tables(comparison: Comparison) -> str:
    """Return the comparison as lines for people."""
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
        lines += ["", f"{'stars':>5}{'A':>7}{'B':>7}  where they differ most"]
        lines += [f"{row.stars:5.3g}{row.a:7.2f}{row.b:7.2f}  {row.text}" for row in comparison.differ_most]
    verdicts = [_verdict(name, comparison.figures[name]) for name in comparison.worse]
    return "\n".join([*lines, "", *(verdicts or ["B is not worse, by rmse or by spearman"])])


def _verdict(name: str, figure: Difference) -> str:
    side = "above" if figure.low > 0 else "below"
    return f"B is worse by {name}: the interval of B - A, {figure.low:+.4f} to {figure.high:+.4f}, lies {side} 0"


def _place(text: str) -> Path:
    return Path(text).absolute()  # so that "." has a name, for what is put beside it
