"""A histogram in shared counters."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.telemetry.shared_counters import SharedCounters


class Histogram:
    """Counts of values in buckets, and the sum of the values.

    ``edges`` are the inclusive upper bounds of the buckets; one more bucket holds the values above the last.
    """

    def __init__(self, counters: SharedCounters, name: str, edges: Sequence[float]) -> None:
        self._edges = edges
        self._start = counters.allocate(name, len(edges) + 2)
        self._sum = self._start + len(edges) + 1

    def observe(self, row: Any, value: float) -> None:
        """Add one value to ``row``, the counters of this process."""
        row[self._start + bisect_left(self._edges, value)] += 1
        row[self._sum] += value

    def observe_counts(self, row: Any, counts: Sequence[int], total: float) -> None:
        """Add many values, given as their counts by bucket and their sum."""
        for column, count in enumerate(counts, self._start):
            if count:
                row[column] += count
        row[self._sum] += total

    def sample(self, totals: NDArray[np.float64]) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulative count up to each bound, as Prometheus has it, and the sum of the values."""
        bounds = [*map(str, self._edges), "+Inf"]
        counts = np.cumsum(totals[self._start : self._sum]).tolist()
        return list(zip(bounds, counts, strict=True)), float(totals[self._sum])
