"""Prediction intervals: the range that contains the true stars of 80% of the reviews with a given score.

Split-conformal prediction (Vovk et al. 2005; conditional on the score, as in Boström and Johansson 2020). Training
stores, for a few scores, how far the true stars of held-out reviews lie below and above the score. Offsets between
these scores are interpolated.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Intervals(NamedTuple):
    """Interval offsets in stars, by score.

    The three sequences have the same length; ``scores`` ascends, and ``low`` ≤ 0 ≤ ``high``.
    """

    scores: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    def interval(self, score: float) -> tuple[float, float]:
        """Return the lower and upper end of the interval around ``score``, in stars, clipped to 1–5."""
        right = bisect_right(self.scores, score)
        if right in {0, len(self.scores)}:
            at = min(right, len(self.scores) - 1)
            low, high = self.low[at], self.high[at]
        else:
            left = right - 1
            share = (score - self.scores[left]) / (self.scores[right] - self.scores[left])
            low = self.low[left] + share * (self.low[right] - self.low[left])
            high = self.high[left] + share * (self.high[right] - self.high[left])
        return max(score + low, 1.0), min(score + high, 5.0)
