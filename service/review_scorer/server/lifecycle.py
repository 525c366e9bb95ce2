"""Stops and reloads the service without losing a request.

Stop: a TERM signal first turns ``/readyz`` to 503 in all workers, while they serve on with the listener open, because
load balancers need seconds to notice. Only then is the signal passed on to gunicorn, which closes the listener at once.

Reload: on HUP gunicorn starts new workers of the application that was loaded before the first fork. Here the master
first loads, verifies and probes the bundle anew. If that fails, the old workers go on. gunicorn's own hook for this
comes too late: it cannot stop the change of workers, and an error in it ends the service.
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

# How long the new workers take to work off what came meanwhile.
_SETTLING = 1.0


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


class Reload:
    """A moment that all workers see: made before the fork, set by the master."""

    def __init__(self) -> None:
        # The end of the change on the monotonic clock, which is the same for all processes; 0 before the first.
        self._end = memoryview(mmap.mmap(-1, 8)).cast("d")

    @property
    def in_progress(self) -> bool:
        """Whether the workers are changing, or did a moment ago."""
        return time.monotonic() < self._end[0]

    @contextmanager
    def started(self) -> Iterator[None]:
        """Say that the workers change for as long as the block takes, and a moment after."""
        self._end[0] = inf
        try:
            yield
        finally:
            self._end[0] = time.monotonic() + _SETTLING


@cache
def shared_reload() -> Reload:
    """Return this process' change; the first call must come before the fork."""
    return Reload()


def reload_on_hup(server: Any, read_app: Callable[[], Any], reload: Reload) -> None:
    """Let a HUP signal to gunicorn's master serve what ``read_app`` returns then, or go on as before if it raises.

    ``reload`` is in progress meanwhile. To be called in the master, once it listens.
    """
    replace_workers = server.handle_hup

    def replace() -> None:
        before = server.app.callable, server.app.cfg
        try:
            with reload.started():
                server.app.callable = read_app()
                replace_workers()
        # SystemExit is how gunicorn refuses a configuration that it cannot read any more.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            server.app.callable, server.app.cfg = before
            # One line: the stack trace of a missing file tells nobody more.
            server.log.error(  # noqa: TRY400
                "HUP refused, the service goes on as it was: %s: %s", type(error).__name__, error
            )

    server.handle_hup = replace


def port_in_use_reason(host: str, port: int) -> str | None:
    """Return why nobody can listen on ``host`` and ``port`` now, in one line, or None if that is possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return (
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop what listens there, or choose another place with SCORER_PORT and SCORER_HOST"
        )
    return None
