"""Drift of recent values against the training distribution of the bundle.

The population stability index (PSI) compares the shares ``p`` of recent values in bins with the shares ``q`` of
training: ``Σ (p − q) · ln(p / q)``. By convention a PSI below 0.1 means no change and one above 0.25 a large change
(Siddiqi, Credit Risk Scorecards, 2006). Without any change its mean is about ``(bins − 1) · (1/n + 1/m)`` for n and m
values (Yurdakul, Statistical Properties of Population Stability Index, 2018): 0.02 with ten bins and 500 values, and
above 0.034 one time in twenty.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.distribution import BINS
from review_scorer.telemetry.shared_counters import SharedCounters

SLOT_SECONDS = 300
SLOTS = 12
MIN_VALUES = 500
"""Fewer recent values than these give no index: chance alone would look like drift."""

# Half a value more in each bin (Jeffreys' prior), because the logarithm of an empty bin does not exist.
_SMOOTHING = 0.5
# Offset between the slot numbers of two bundles: larger than any slot number.
_BUNDLE = 2**32


def population_stability_index(
    recent: Sequence[float] | NDArray[Any], trained: Sequence[float] | NDArray[Any]
) -> float:
    """Return the PSI, ≥ 0, of two lists of counts by bin; NaN if ``recent`` has fewer than ``MIN_VALUES`` values."""
    if sum(recent) < MIN_VALUES:
        return math.nan
    p, q = ((np.asarray(each, float) + _SMOOTHING) for each in (recent, trained))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


class RecentCounts:
    """Counts by bin of the values that all workers scored in the last hour, in a ring of ``SLOTS`` slots.

    ``bundle`` is the hexadecimal digest of the bundle that scores; values scored by another bundle do not count.
    ``clock`` returns seconds.
    """

    def __init__(
        self, counters: SharedCounters, name: str, *, bundle: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counters = counters
        self._first_slot = (1 + int(bundle[:5] or "0", 16)) * _BUNDLE
        self._clock = clock
        self._start = counters.allocate(name, SLOTS * (1 + BINS))

    def add(self, counts: Sequence[int]) -> None:
        """Add ``counts``, one for each bin."""
        row, slot = self._counters.row, self._slot()
        key = self._start + slot % SLOTS * (1 + BINS)
        if row[key] != slot:
            row[key] = 0  # a reader ignores the slot while it is being cleared
            for column in range(key + 1, key + 1 + BINS):
                row[column] = 0
            row[key] = slot
        for column, count in enumerate(counts, key + 1):
            if count:
                row[column] += count

    @property
    def counts(self) -> NDArray[np.float64]:
        """The counts, shape ``(BINS,)``."""
        slots = self._counters.rows[:, self._start : self._start + SLOTS * (1 + BINS)].reshape(-1, 1 + BINS)
        now = self._slot()
        recent = (slots[:, 0] > now - SLOTS) & (slots[:, 0] <= now)
        counts: NDArray[np.float64] = slots[recent, 1:].sum(axis=0)
        return counts

    def _slot(self) -> int:
        """Return the number of the current slot, never 0; the numbers of two bundles are far apart."""
        return self._first_slot + int(self._clock()) // SLOT_SECONDS
