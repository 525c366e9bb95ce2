"""Whether what is scored now still looks like what the bundle was trained on.

The population stability index compares the shares ``p`` of recent values in bins with the shares ``q`` of training:
``Σ (p − q) · ln(p / q)``. By custom below 0.1 is no change and above 0.25 a large one (Siddiqi, Credit Risk Scorecards,
2006). Without any change it is still about ``(bins − 1) · (1/n + 1/m)`` for counts of n and m (Yurdakul, Statistical
Properties of Population Stability Index, 2018): with ten bins and 500 values 0.02, and one time in twenty over 0.034.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.distribution import BINS
from review_scorer.telemetry.shared_counters import SharedCounters

SPAN_SECONDS = 300
SPANS = 12
LEAST = 500
"""Fewer recent values than these give no index: chance alone would look like drift."""

# Half a value more in each bin (Jeffreys' prior): an empty bin has no logarithm.
_SMOOTHING = 0.5
# What tells the spans of one bundle from those of another: far more than spans that will ever be.
_BUNDLE = 2**32


def stability_index(recent: Sequence[float] | NDArray[Any], trained: Sequence[float] | NDArray[Any]) -> float:
    """Return the population stability index of two lists of counts, ≥ 0; NaN where ``recent`` has under ``LEAST``."""
    if sum(recent) < LEAST:
        return math.nan
    p, q = ((np.asarray(each, float) + _SMOOTHING) for each in (recent, trained))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


class Recent:
    """Counts by bin of what all workers scored in the last hour, give or take five minutes.

    ``bundle`` is the digest, in hex, of what they scored it with; what was scored with another one does not count.
    """

    def __init__(
        self, tallies: SharedCounters, name: str, *, bundle: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tallies = tallies
        self._first = (1 + int(bundle[:5] or "0", 16)) * _BUNDLE
        self._clock = clock
        self._start = tallies.reserve(name, SPANS * (1 + BINS))

    def add(self, counts: Sequence[int]) -> None:
        """Count ``counts``, one a bin."""
        tallies = self._tallies
        own, now = tallies.own, self._now()
        key = self._start + now % SPANS * (1 + BINS)
        if own[key] != now:
            own[key] = 0  # no reader may count half of what is cleared
            for column in range(key + 1, key + 1 + BINS):
                own[column] = 0
            own[key] = now
        for column, amount in enumerate(counts, key + 1):
            if amount:
                own[column] += amount

    @property
    def counts(self) -> NDArray[np.float64]:
        """The counts, shape ``(BINS,)``."""
        columns = self._tallies.rows[:, self._start : self._start + SPANS * (1 + BINS)].reshape(-1, 1 + BINS)
        now = self._now()
        counted = (columns[:, 0] > now - SPANS) & (columns[:, 0] <= now)
        sums: NDArray[np.float64] = columns[counted, 1:].sum(axis=0)
        return sums

    def _now(self) -> int:
        """Return the number of the present span; those of two bundles are far apart, and none is 0."""
        return self._first + int(self._clock()) // SPAN_SECONDS
