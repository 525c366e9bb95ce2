"""How sure a score is: the interval that holds the true stars of four reviews in five.

Split-conformal prediction (Vovk et al. 2005; by score, as in Boström and Johansson 2020): training keeps, for some
scores, how far the true stars of held-out reviews lay below and above; between them the offsets are interpolated.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Intervals(NamedTuple):
    """The offsets of an interval by score: three of one length, ``scores`` ascending, ``low`` ≤ 0 ≤ ``high``."""

    scores: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    def interval(self, score: float) -> tuple[float, float]:
        """Return the lower and upper end of the interval around ``score``, in stars, within 1–5."""
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
