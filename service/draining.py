"""Leaving without losing a request: first say so, serve on for a while, then stop.

When a pod ends, whoever routes to it needs seconds to notice. So a TERM signal first turns ``/readyz`` to 503 in all
workers, while everything is still served with the listener open; only after a pause is it passed on to gunicorn, which
closes the listener at once. gunicorn has no setting for this.
"""

import mmap
import os
import signal
from functools import cache
from types import FrameType
from typing import Any


class Drain:
    """A flag that all workers see: made before the fork, raised by the master."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def start(self) -> None:
        """Raise the flag, for good."""
        self._shared[0] = 1

    @property
    def started(self) -> bool:
        """Whether the service is about to stop."""
        return self._shared[0] == 1


@cache
def shared_drain() -> Drain:
    """Return this process' flag; the first call must come before the fork."""
    return Drain()


def drain_on_term(server: Any, drain: Drain, seconds: float) -> None:
    """Let a TERM signal to gunicorn's master raise ``drain``, and reach gunicorn ``seconds`` later.

    A second TERM is passed on at once. To be called in the master, once it listens.
    """
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)
    master = os.getpid()

    def pass_on(_signal: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        stop(signal.SIGTERM, frame)

    def begin(number: int, frame: FrameType | None) -> None:
        if os.getpid() != master:
            # A worker that was forked a moment ago and has no handler of its own yet: nothing is lost with it.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if drain.started or not seconds:
            pass_on(number, frame)
            return
        drain.start()
        server.log.info("Draining for %g s: not ready any more, serving on", seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    signal.signal(signal.SIGALRM, pass_on)
    signal.signal(signal.SIGTERM, begin)
