"""The numbers of the model card, measured once from held-out predictions and the trained parts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.bundle import Trained
from review_training.corpus.tokenized_corpus import Mask, Stars
from review_training.evaluation.cross_validation import HeldOutPredictions
from review_training.evaluation.evaluation import Validation
from review_training.evaluation.rating_metrics import Figures
from review_training.evaluation.training_facts import CorpusFacts, TrainingFacts
from review_training.model.term_support import TermSupport

STARS = (1, 2, 3, 4, 5)
BIN = 0.5
"""The width of a bin of predictions, in stars."""
LENGTHS = (0, 10, 20, 40, 80, 160, 320, 640)
"""The lower ends of the classes of lengths, in characters."""
MOST_GROUPS = 40
MOST_TERMS = 30
LEAST_REVIEWS = 5
"""The fewest reviews of a listed term: fewer are hardly evidence, and might disclose what a single review says."""
_LEAST_IN_CLASS = 30
"""The fewest reviews of a class that may be called the worst: a smaller one may be so by chance."""


class HeldOutReviews(NamedTuple):
    """The held-out reviews: stars, groups (all empty without groups) and lengths in characters."""

    stars: Stars
    groups: Sequence[str]
    characters: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Method:
    """How reviews were held out, as in ``Evaluation``."""

    kind: Validation
    folds: int
    group: str
    rows: int


@dataclass(frozen=True)
class StarNumbers:
    """Reviews of so many ``stars``, how many were predicted so, and quantiles of their predictions.

    The quantiles are those at 10%, 50% and 90%; they are None if there are no such reviews.
    """

    stars: int
    rows: int
    predicted_rows: int
    low: float | None
    median: float | None
    high: float | None


@dataclass(frozen=True)
class BinNumbers:
    """Predictions from ``low`` to ``high``: their number by true stars, and the mean of the true stars."""

    low: float
    high: float
    rows: Sequence[int]
    mean_true: float | None


@dataclass(frozen=True)
class SliceNumbers:
    """Errors on some reviews, in stars; ``margin`` is half of the 95% interval of ``mae``.

    ``constant_mae`` is the error of predicting the mean.
    """

    name: str
    rows: int
    mae: float
    margin: float | None
    bias: float
    constant_mae: float


@dataclass(frozen=True)
class GroupNumbers:
    """The number of groups, and the errors by group, the largest first; none if there are too many to list."""

    count: int
    slices: Sequence[SliceNumbers]


@dataclass(frozen=True)
class TermNumbers:
    """A term's weight in the linear base, and the fitted reviews that it occurs in."""

    term: str
    weight: float
    rows: int
    mean_stars: float


@dataclass(frozen=True)
class StrongestTerms:
    """The terms of the largest positive and negative weight, the largest first."""

    positive: Sequence[TermNumbers]
    negative: Sequence[TermNumbers]


@dataclass(frozen=True)
class IntervalNumbers:
    """Level, coverage and median width of the prediction intervals, the width in stars."""

    level: float
    coverage: float
    median_width: float


@dataclass(frozen=True, kw_only=True)
class CardNumbers:
    """All numbers of the card. ``support`` is the fewest reviews of a listed term."""

    version: str
    libraries: Mapping[str, str]
    seed: int
    corpus: CorpusFacts
    terms: int
    method: Method
    figures: Mapping[str, Mapping[str, float]]
    stars: Sequence[StarNumbers]
    predicted: Sequence[BinNumbers]
    lengths: Sequence[SliceNumbers]
    groups: GroupNumbers
    vocabulary_coverage: float
    words: StrongestTerms
    phrases: StrongestTerms
    support: int
    intervals: IntervalNumbers

    @property
    def most_common_stars(self) -> StarNumbers:
        """The stars that most of the held-out reviews have."""
        return max(self.stars, key=lambda star: star.rows)

    @property
    def worst_length(self) -> SliceNumbers:
        """The class of lengths with the largest error, of those with enough reviews."""
        lengths = [each for each in self.lengths if each.rows >= _LEAST_IN_CLASS] or self.lengths
        return max(lengths, key=lambda each: each.mae)


def measure_card(
    *,
    facts: TrainingFacts,
    reviews: HeldOutReviews,
    predictions: HeldOutPredictions,
    trained: Trained,
    support: TermSupport,
) -> CardNumbers:
    """Return the numbers of the card."""
    evaluation, intervals = facts.evaluation, facts.intervals
    lengths = np.searchsorted(LENGTHS, reviews.characters, side="right") - 1
    least = max(LEAST_REVIEWS, facts.corpus.rows // 500)  # a rarer term has a large weight by its idf alone
    words, phrases = _strongest(trained, support, least)
    return CardNumbers(
        version=facts.version,
        libraries=facts.libraries,
        seed=facts.seed,
        corpus=facts.corpus,
        terms=trained.vectorizer.width,
        method=Method(kind=evaluation.kind, folds=evaluation.folds, group=evaluation.group, rows=evaluation.rows),
        figures={name: _rounded_figures(figures) for name, figures in evaluation.figures.items()},
        stars=[_star(star, reviews, predictions) for star in STARS],
        predicted=[_bin(low, reviews, predictions) for low in np.arange(1, 5, BIN).tolist()],
        lengths=[
            _slice(_length_name(at), lengths == at, reviews, predictions) for at in range(len(LENGTHS)) if at in lengths
        ],
        groups=_groups(reviews, predictions),
        vocabulary_coverage=_rounded(np.median(predictions.vocabulary_coverage)),
        words=words,
        phrases=phrases,
        support=least,
        intervals=IntervalNumbers(intervals.level, intervals.coverage, intervals.median_width),
    )


def _rounded(value: Any) -> float:
    return round(float(value), 6)


def _rounded_figures(figures: Figures) -> dict[str, float]:
    return {name: _rounded(value) for name, value in figures._asdict().items()}


def _whole(stars: Stars) -> NDArray[np.int64]:
    return np.rint(np.clip(stars, 1, 5)).astype(np.int64)


def _star(star: int, reviews: HeldOutReviews, predictions: HeldOutPredictions) -> StarNumbers:
    rows = _whole(reviews.stars) == star
    predicted_rows = int((_whole(predictions.model) == star).sum())
    if not rows.any():
        return StarNumbers(star, 0, predicted_rows, None, None, None)
    quantiles = map(_rounded, np.quantile(predictions.model[rows], (0.1, 0.5, 0.9)))
    return StarNumbers(star, int(rows.sum()), predicted_rows, *quantiles)


def _bin(low: float, reviews: HeldOutReviews, predictions: HeldOutPredictions) -> BinNumbers:
    """Return the numbers of the predictions from ``low`` on; 5 itself is in the last bin."""
    high = low + BIN
    rows = (predictions.model >= low) & ((predictions.model < high) | (high >= 5))
    true = _whole(reviews.stars)
    return BinNumbers(
        low=low,
        high=high,
        rows=[int((rows & (true == star)).sum()) for star in STARS],
        mean_true=_rounded(reviews.stars[rows].mean()) if rows.any() else None,
    )


def _length_name(at: int) -> str:
    low = max(LENGTHS[at], 1)
    return f"{low}–{LENGTHS[at + 1] - 1}" if at + 1 < len(LENGTHS) else f"{low}+"


def _groups(reviews: HeldOutReviews, predictions: HeldOutPredictions) -> GroupNumbers:
    groups = np.array(reviews.groups, object)
    names = sorted(set(reviews.groups)) if any(reviews.groups) else []
    listed = names if 2 <= len(names) <= MOST_GROUPS else []
    slices = [_slice(name, groups == name, reviews, predictions) for name in listed]
    return GroupNumbers(len(names), sorted(slices, key=lambda each: -each.mae))


def _slice(name: str, rows: Mask, reviews: HeldOutReviews, predictions: HeldOutPredictions) -> SliceNumbers:
    error = predictions.model[rows] - reviews.stars[rows]
    size = np.abs(error)
    count = int(rows.sum())
    return SliceNumbers(
        name=name,
        rows=count,
        mae=_rounded(size.mean()),
        margin=_rounded(1.96 * size.std(ddof=1) / math.sqrt(count)) if count > 1 else None,
        bias=_rounded(error.mean()),
        constant_mae=_rounded(np.abs(predictions.constant[rows] - reviews.stars[rows]).mean()),
    )


def _strongest(trained: Trained, support: TermSupport, least: int) -> tuple[StrongestTerms, StrongestTerms]:
    """Return the strongest words and phrases that occur in ``least`` reviews or more.

    The weight is what the linear base adds for a term before the text's vector is scaled to length one.
    """
    vectorizer = trained.vectorizer
    terms = [
        TermNumbers(
            term=vectorizer.terms[column],
            weight=_rounded(trained.coefficients[column] * vectorizer.idf[column]),
            rows=int(support.reviews[column]),
            mean_stars=_rounded(support.stars[column] / support.reviews[column]),
        )
        for column in np.flatnonzero(support.reviews >= least).tolist()
    ]
    terms.sort(key=lambda term: (-abs(term.weight), term.term))
    words, phrases = ([term for term in terms if (" " in term.term) == is_phrase] for is_phrase in (False, True))
    return _by_sign(words), _by_sign(phrases)


def _by_sign(terms: Sequence[TermNumbers]) -> StrongestTerms:
    return StrongestTerms(
        positive=[term for term in terms if term.weight > 0][:MOST_TERMS],
        negative=[term for term in terms if term.weight < 0][:MOST_TERMS],
    )
