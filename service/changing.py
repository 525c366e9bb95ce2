"""What all workers know of a change of workers: that one is under way.

It takes a second. The bundle is loaded and new workers start, all on the CPU that the old ones answer with, and what
comes before the new ones listen waits for them. Who is patient then loses nothing.
"""

import mmap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import inf

# How long the new workers take to work off what came meanwhile.
_SETTLING = 1.0


class Change:
    """A moment that all workers see: made before the fork, set by the master."""

    def __init__(self) -> None:
        # The end of the change on the monotonic clock, which is the same for all processes; 0 before the first.
        self._end = memoryview(mmap.mmap(-1, 8)).cast("d")

    @property
    def under_way(self) -> bool:
        """Whether the workers are changing, or did a moment ago."""
        return time.monotonic() < self._end[0]

    @contextmanager
    def on(self) -> Iterator[None]:
        """Say that the workers change for as long as the block takes, and a moment after."""
        self._end[0] = inf
        try:
            yield
        finally:
            self._end[0] = time.monotonic() + _SETTLING


@cache
def shared_change() -> Change:
    """Return this process' change; the first call must come before the fork."""
    return Change()
