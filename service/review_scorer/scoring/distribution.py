"""How scores and known shares are spread: counts in ten bins of equal width.

Training keeps the counts of held-out reviews, serving counts what it answers; both bin with the same edges.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

BINS = 10
SCORE_EDGES: Sequence[float] = tuple((10 + 4 * bin_) / 10 for bin_ in range(1, BINS + 1))
"""The upper end, inclusive, of each bin of scores: 1.4, 1.8, …, 5."""
KNOWN_EDGES: Sequence[float] = tuple(bin_ / BINS for bin_ in range(1, BINS + 1))
"""The upper end, inclusive, of each bin of known shares: 0.1, 0.2, …, 1."""


def count(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    """Return how many of ``values`` lie in each bin; none may be above the last of ``edges``."""
    counts = [0] * len(edges)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return counts
