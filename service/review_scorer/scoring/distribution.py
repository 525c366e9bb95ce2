"""Histograms of scores and of vocabulary coverage: counts in ten bins of equal width.

Training stores the counts of held-out reviews, serving counts its responses. Both use the same bin edges.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

BINS = 10
SCORE_EDGES: Sequence[float] = tuple((10 + 4 * bin_) / 10 for bin_ in range(1, BINS + 1))
"""The inclusive upper edge of each bin of scores, in stars: 1.4, 1.8, …, 5."""
COVERAGE_EDGES: Sequence[float] = tuple(bin_ / BINS for bin_ in range(1, BINS + 1))
"""The inclusive upper edge of each bin of vocabulary coverage: 0.1, 0.2, …, 1."""


def count(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    """Return the number of ``values`` in each bin; no value may exceed the last of ``edges``."""
    counts = [0] * len(edges)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return counts
