"""A histogram over shared tallies."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.telemetry.shared_counters import SharedCounters


class Histogram:
    """Counts of values by upper edge (inclusive), one for those above the last, and the sum of the values."""

    def __init__(self, tallies: SharedCounters, name: str, edges: Sequence[float]) -> None:
        self._edges = edges
        self._start = tallies.reserve(name, len(edges) + 2)
        self._sum = self._start + len(edges) + 1

    def observe(self, own: Any, value: float) -> None:
        """Count one value in ``own``, the row of this process."""
        own[self._start + bisect_left(self._edges, value)] += 1
        own[self._sum] += value

    def observe_counts(self, own: Any, counts: Sequence[int], total: float) -> None:
        """Count many values, given as their counts by edge and their sum."""
        for column, amount in enumerate(counts, self._start):
            if amount:
                own[column] += amount
        own[self._sum] += total

    def sample(self, sums: NDArray[np.float64]) -> tuple[list[tuple[str, float]], float]:
        """Return out of the tallies' sums how many values lie up to each edge, and the sum of the values."""
        edges = [*map(str, self._edges), "+Inf"]
        return list(zip(edges, np.cumsum(sums[self._start : self._sum]).tolist(), strict=True)), float(sums[self._sum])
