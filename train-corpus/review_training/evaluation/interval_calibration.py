"""Calibrates prediction intervals on held-out reviews, and measures their coverage on reviews not used to calibrate."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.intervals import Intervals
from review_training.corpus.tokenized_corpus import Stars

LEVEL = 0.8
"""The share of true stars that the intervals are to contain."""
# At least this many reviews determine each offset; with fewer, offsets would vary by chance.
_REVIEWS_PER_BIN = 100
_MOST_BINS = 12


@dataclass(frozen=True)
class CalibratedIntervals:
    """Intervals, the share of true stars that they contain (``coverage``) and their median width in stars."""

    level: float
    intervals: Intervals
    coverage: float
    median_width: float

    def as_dict(self) -> dict[str, object]:
        """Return the entry of the manifest."""
        figures = {"coverage": self.coverage, "median_width": self.median_width}
        return {"level": self.level, **self.intervals._asdict(), **figures}


def calibrate(predicted: Stars, true: Stars) -> Intervals:
    """Return the offsets that contain ``LEVEL`` of the true stars, by predicted stars; both of shape ``(n,)``.

    Each bin of neighbouring predictions gives the shortest interval that contains so many of its residuals, with the
    correction for finite samples. Equal tails would contain too many: where most stars are fives, nothing lies above.
    """
    order = np.argsort(predicted, kind="stable")
    bins = np.array_split(order, min(_MOST_BINS, max(1, len(order) // _REVIEWS_PER_BIN)))
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


def calibrate_and_measure(predicted: Stars, true: Stars, fold: NDArray[np.int64]) -> CalibratedIntervals:
    """Return intervals calibrated on all held-out reviews, and how well such intervals do.

    For ``coverage`` and ``median_width`` each fold is measured with intervals calibrated on the other folds.
    """
    ends = np.empty((len(true), 2))
    for number in np.unique(fold):
        members = fold == number
        intervals = calibrate(predicted[~members], true[~members])
        ends[members] = [intervals.interval(score) for score in predicted[members].tolist()]
    covered = (ends[:, 0] <= true) & (true <= ends[:, 1])
    return CalibratedIntervals(
        level=LEVEL,
        intervals=calibrate(predicted, true),
        coverage=round(float(covered.mean()), 6),
        median_width=round(float(np.median(ends[:, 1] - ends[:, 0])), 6),
    )
