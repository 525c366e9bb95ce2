"""Stops and reloads gunicorn's workers without losing a request.

Drain: on TERM, ``/readyz`` turns to 503 in all workers, and they go on serving for some seconds, because load balancers
take that long to notice. Only then does gunicorn get the signal; it closes its listening socket at once.

Reload: on HUP, gunicorn would start new workers of the app that it loaded before the first fork. Here the master loads
and verifies the bundle anew before that, and keeps the old workers if that fails. gunicorn's own hook runs too late:
it cannot prevent the change of workers, and an error in it ends the service.

The state of both is in shared memory: created before the fork, written by the master, read by the workers.
"""

import mmap
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from math import inf
from types import FrameType
from typing import Any

# Seconds in which new workers catch up with the requests that arrived during a reload.
_CATCH_UP = 1.0


class Drain:
    """Tells all workers that the service is about to stop."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def start(self) -> None:
        """Set the flag; it is never cleared."""
        self._shared[0] = 1

    @property
    def started(self) -> bool:
        """Return whether the service is about to stop."""
        return self._shared[0] == 1


@cache
def shared_drain() -> Drain:
    """Return the flag of this process and its children; the first call must precede the fork."""
    return Drain()


def drain_on_term(server: Any, drain: Drain, seconds: float) -> None:
    """Make TERM start ``drain``, and pass the signal on to gunicorn's own handler ``seconds`` later.

    A second TERM is passed on at once. Must be called in gunicorn's master, once its signal handlers are installed.
    """
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)
    master = os.getpid()

    def pass_on(_signal: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        stop(signal.SIGTERM, frame)

    def begin(number: int, frame: FrameType | None) -> None:
        if os.getpid() != master:
            # A worker that has just been forked and has not installed its own handler: it has no requests to lose.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if drain.started or not seconds:
            pass_on(number, frame)
            return
        drain.start()
        server.log.info("Draining for %g s: not ready any more, still serving", seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    signal.signal(signal.SIGALRM, pass_on)
    signal.signal(signal.SIGTERM, begin)


class Reload:
    """Tells all workers that a reload is in progress."""

    def __init__(self) -> None:
        # The end of the latest reload on the monotonic clock, which all processes share; 0 before the first.
        self._end = memoryview(mmap.mmap(-1, 8)).cast("d")

    @property
    def in_progress(self) -> bool:
        """Return whether workers are being replaced, or were a second ago."""
        return time.monotonic() < self._end[0]

    @contextmanager
    def started(self) -> Iterator[None]:
        """Mark a reload as in progress until a second after the end of the block."""
        self._end[0] = inf
        try:
            yield
        finally:
            self._end[0] = time.monotonic() + _CATCH_UP


@cache
def shared_reload() -> Reload:
    """Return the state of this process and its children; the first call must precede the fork."""
    return Reload()


def reload_on_hup(server: Any, read_app: Callable[[], Any], reload: Reload) -> None:
    """Make HUP serve the app that ``read_app`` returns then, or change nothing if it raises.

    ``reload`` is in progress meanwhile. Must be called in gunicorn's master, before the first fork.
    """
    replace_workers = server.handle_hup

    def replace() -> None:
        before = server.app.callable, server.app.cfg
        try:
            with reload.started():
                server.app.callable = read_app()
                replace_workers()
        # gunicorn raises SystemExit for a configuration file that it cannot read.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            server.app.callable, server.app.cfg = before
            # One line: the stack trace of a missing file adds nothing.
            server.log.error(  # noqa: TRY400
                "reload failed, still serving the previous bundle: %s: %s", type(error).__name__, error
            )

    server.handle_hup = replace


def port_in_use_reason(host: str, port: int) -> str | None:
    """Return why no socket can listen on ``host`` and ``port``, in one line, or None if one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return (
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop the process that listens there, or set SCORER_PORT or SCORER_HOST"
        )
    return None
