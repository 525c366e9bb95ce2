"""Rate limits of API keys, counted over all workers.

The generic cell rate algorithm (ITU-T I.371), which is a token bucket stored as one number: the time at which the
bucket will be full again. The numbers are in shared memory, so that a limit holds for the service as a whole, however
its connections are distributed. Two workers that write at the same instant may let one request too many pass.
"""

import mmap
import time
from collections.abc import Callable
from functools import cache

# Far more than the keys of any service; each takes 16 bytes.
_SLOTS = 8_192


class RateLimiter:
    """Token buckets in shared memory, which must be created before the fork.

    ``clock`` returns seconds and must be the same for all processes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Two numbers for each slot: the tag of its digest, and the time at which its bucket will be full.
        self._memory = memoryview(mmap.mmap(-1, 16 * _SLOTS)).cast("d")

    def slot(self, digest: bytes) -> int:
        """Return the slot of the bucket of ``digest``; it is the same in all processes, and never changes.

        Raises ``ValueError`` if all slots are taken.
        """
        # 52 bits, which a float holds exactly; 0 marks an empty slot.
        tag = float((int.from_bytes(digest[:8]) >> 12) or 1)
        for step in range(_SLOTS):
            index = 2 * ((int(tag) + step) % _SLOTS)
            if self._memory[index] in {0.0, tag}:
                self._memory[index] = tag
                return index + 1
        raise ValueError(f"more than {_SLOTS:,} rate-limited keys since the start; restart the service")

    def acquire(self, slot: int, rate: float) -> float:
        """Take a token from a bucket that is refilled with ``rate`` tokens per second and holds as many, at least one.

        Return 0.0, or if the bucket is empty the seconds until it will have a token.
        """
        now = self._clock()
        full_at = max(self._memory[slot], now)
        wait = full_at - now - (max(rate, 1.0) - 1) / rate
        if wait > 1e-9:
            return wait
        self._memory[slot] = full_at + 1 / rate
        return 0.0


@cache
def shared_rate_limiter() -> RateLimiter:
    """Return the limiter of this process and its children; the first call must precede the fork."""
    return RateLimiter()
