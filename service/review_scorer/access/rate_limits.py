"""How often each key may ask, counted by all workers together.

The generic cell rate algorithm (ITU-T I.371), which is a token bucket kept as one number: the time at which the bucket
will be full again. That number is in memory that the workers share, so that a limit holds for the service as a whole
however its connections are dealt out. Two workers that add to it at the same instant may let one request too many pass.
"""

import mmap
import time
from collections.abc import Callable
from functools import cache

# Twice as many as keys that anyone has; each takes 16 bytes.
_PLACES = 8_192


class RateLimiter:
    """Token buckets in shared memory, to be made before the fork. Times are of ``clock``, one for all processes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._memory = memoryview(mmap.mmap(-1, 16 * _PLACES)).cast("d")

    def place(self, digest: bytes) -> int:
        """Return where the bucket of ``digest`` is: the same in all processes, and through all changes of the keys."""
        # 52 bits, as a float holds them exactly; 0 is an empty place.
        tag = float((int.from_bytes(digest[:8]) >> 12) or 1)
        for step in range(_PLACES):
            place = 2 * ((int(tag) + step) % _PLACES)
            if self._memory[place] in {0.0, tag}:
                self._memory[place] = tag
                return place + 1
        raise ValueError(f"more than {_PLACES:,} keys with a rate since the start; restart the service")

    def wait(self, place: int, rate: float) -> float:
        """Take from a bucket that gets ``rate`` tokens a second and holds as many, one at least.

        Return 0, or when there is nothing in it the seconds until there will be.
        """
        now = self._clock()
        full = max(self._memory[place], now)
        wait = full - now - (max(rate, 1.0) - 1) / rate
        if wait > 1e-9:
            return wait
        self._memory[place] = full + 1 / rate
        return 0.0


@cache
def shared_rate_limiter() -> RateLimiter:
    """Return this process' limits; the first call must come before the fork."""
    return RateLimiter()
