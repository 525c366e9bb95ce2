"""Calibrates intervals on held-out reviews, and measures them on reviews that calibrated nothing."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.intervals import Intervals
from review_training.corpus.tokenized_corpus import Stars

LEVEL = 0.8
# So many reviews at least give each offset; fewer would make it jump.
_REVIEWS_A_BIN = 100
_MOST_BINS = 12


def calibrate(predicted: Stars, true: Stars) -> Intervals:
    """Return the offsets that hold ``LEVEL`` of the true stars, for scores like ``predicted``; both of shape ``(n,)``.

    Each bin of neighbouring scores gives the shortest interval that holds so many of its residuals, with the correction
    for finite samples. Equal tails would hold too many: where most stars are fives, nothing lies above.
    """
    order = np.argsort(predicted, kind="stable")
    bins = np.array_split(order, min(_MOST_BINS, max(1, len(order) // _REVIEWS_A_BIN)))
    offsets: dict[float, tuple[float, float]] = {}
    for members in bins:
        residuals = np.sort(true[members] - predicted[members])
        inside = min(len(residuals), math.ceil(LEVEL * (len(residuals) + 1)))
        widths = residuals[inside - 1 :] - residuals[: len(residuals) - inside + 1]
        start = int(np.argmin(widths))
        low, high = float(residuals[start]), float(residuals[start + inside - 1])
        offsets[float(np.mean(predicted[members]))] = (min(low, 0.0), max(high, 0.0))
    scores = sorted(offsets)
    return Intervals(scores, [offsets[score][0] for score in scores], [offsets[score][1] for score in scores])


def certainty(predicted: Stars, true: Stars, fold: NDArray[np.int64]) -> dict[str, Any]:
    """Return what the manifest keeps: the offsets from all held-out reviews, and how such intervals do.

    For ``coverage`` and ``median_width`` (in stars) each fold is measured with offsets from the other folds.
    """
    ends = np.empty((len(true), 2))
    for number in np.unique(fold):
        own = fold == number
        offsets = calibrate(predicted[~own], true[~own])
        ends[own] = [offsets.interval(score) for score in predicted[own].tolist()]
    covered = (ends[:, 0] <= true) & (true <= ends[:, 1])
    return {
        "level": LEVEL,
        **calibrate(predicted, true)._asdict(),
        "coverage": round(float(covered.mean()), 6),
        "median_width": round(float(np.median(ends[:, 1] - ends[:, 0])), 6),
    }
