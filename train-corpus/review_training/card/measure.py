"""Measures the numbers of the model card, once, from held-out predictions and the trained parts."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.bundle import Trained
from review_training.card.numbers import (
    BIN,
    MOST_GROUPS,
    STARS,
    BinNumbers,
    CardNumbers,
    GroupNumbers,
    IntervalNumbers,
    Method,
    SliceNumbers,
    StarNumbers,
    StrongestTerms,
    TermNumbers,
)
from review_training.corpus.tokenized_corpus import Mask, Stars
from review_training.evaluation.cross_validation import HeldOutPredictions
from review_training.evaluation.rating_metrics import Figures
from review_training.evaluation.training_facts import TrainingFacts
from review_training.model.term_support import TermSupport

LENGTHS = (0, 10, 20, 40, 80, 160, 320, 640)
"""The lower ends of the classes of lengths, in characters."""
MOST_TERMS = 30
LEAST_REVIEWS = 5
"""The fewest reviews of a listed term: fewer are hardly evidence, and might disclose what a single review says."""


class HeldOutReviews(NamedTuple):
    """The held-out reviews: stars, groups (all empty without groups) and lengths in characters."""

    stars: Stars
    groups: Sequence[str]
    characters: NDArray[np.int64]


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
