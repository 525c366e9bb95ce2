"""Log lines on their way to standard output.

A reader that hangs must not hang the service: in a worker a thread of its own writes, many lines at a time, and when
too many wait the newest are lost and counted. The master, which forks and so has no threads, says little, and loses it
where the pipe is full. Who kills a worker loses what it said in the last twentieth of a second.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from functools import cache

log = logging.getLogger(__name__)

_STDOUT = 1
_PAUSE_SECONDS = 0.05
# Of a few hundred bytes each: seconds of the heaviest traffic.
_MOST = 20_000


class Lines:
    """Writes lines to the file descriptor ``out``: at once or not at all, or after ``start`` by a thread."""

    def __init__(self, out: int = _STDOUT, *, most: int = _MOST) -> None:
        self.lost = 0
        self._out = out
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Write ``line``, which ends in a line break, now or soon, or count it as lost; never wait."""
        if self._thread is None:
            if self._has_room():
                self._write(line)
                self._tell_losses()
            else:
                self.lost += 1
        elif len(self._waiting) >= self._most:
            self.lost += 1
        else:
            self._waiting.append(line)
            if not self._wake.is_set():
                self._wake.set()

    def start(self) -> None:
        """Let a thread write from now on; to be called after the fork."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 1.0) -> None:
        """Write what waits, if that can be done in time, and from then on at once."""
        if self._thread:
            self._stop.set()
            self._wake.set()
            self._thread.join(seconds)
            if not self._thread.is_alive():
                self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(_PAUSE_SECONDS)  # lines come in crowds
            self._wake.clear()
            self._flush()
        self._flush()  # what came while the last of those were written

    def _flush(self) -> None:
        waiting = self._waiting
        crowd: list[bytes] = []
        size = 0
        while waiting:
            line = waiting.popleft()
            # What is longer could be torn apart by what another process writes into the same pipe.
            if crowd and size + len(line) > select.PIPE_BUF:
                self._write(b"".join(crowd))
                crowd, size = [], 0
            crowd.append(line)
            size += len(line)
        if crowd:
            self._write(b"".join(crowd))
        self._tell_losses()

    def _tell_losses(self) -> None:
        if self.lost:
            lost, self.lost = self.lost, 0
            log.warning("%d log lines were lost, as nobody read them", lost)

    def _has_room(self) -> bool:
        """Whether a line can be written without waiting for a reader."""
        try:
            return bool(select.select((), (self._out,), (), 0)[1])
        except (OSError, ValueError):  # it is closed: then writing does not wait either
            return True

    def _write(self, content: bytes) -> None:
        while content:
            try:
                content = content[os.write(self._out, content) :]
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # nobody is there to read it, or to be told so
                return


@cache
def shared_log_writer() -> Lines:
    """Return this process' lines."""
    return Lines()
