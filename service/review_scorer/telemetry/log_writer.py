"""Writes log lines to standard output without ever blocking the service.

In a worker, a thread writes the lines, many at a time. If the reader of standard output hangs, lines wait in a bounded
queue, and the newest lines beyond it are dropped and counted. The master process forks and so has no threads: it
writes each line at once, and drops it if the pipe is full. A worker that is killed loses the lines of its last 50 ms.
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
_BATCH_SECONDS = 0.05
# Of a few hundred bytes each: seconds of the heaviest traffic.
_MAX_LINES = 20_000


class LogWriter:
    """Writes lines to the file descriptor ``out``: immediately or, after ``start``, in a thread.

    At most ``max_lines`` wait for the thread. ``dropped`` counts the lines that were dropped since the last warning.
    """

    def __init__(self, out: int = _STDOUT, *, max_lines: int = _MAX_LINES) -> None:
        self.dropped = 0
        self._out = out
        self._max_lines = max_lines
        self._queue: deque[bytes] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Write or queue ``line``, which ends in a line break, or drop it; never block."""
        if self._thread is None:
            if self._is_writable():
                self._write_bytes(line)
                self._warn_of_drops()
            else:
                self.dropped += 1
        elif len(self._queue) >= self._max_lines:
            self.dropped += 1
        else:
            self._queue.append(line)
            if not self._wake.is_set():
                self._wake.set()

    def start(self) -> None:
        """Start the thread. Call it after the fork."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Write the queued lines and stop the thread; give up after ``timeout`` seconds."""
        if self._thread:
            self._stop.set()
            self._wake.set()
            self._thread.join(timeout)
            if not self._thread.is_alive():
                self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(_BATCH_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()  # lines that arrived during the last flush

    def _flush(self) -> None:
        queue = self._queue
        batch: list[bytes] = []
        size = 0
        while queue:
            line = queue.popleft()
            # Writes beyond PIPE_BUF are not atomic: other processes write into the same pipe.
            if batch and size + len(line) > select.PIPE_BUF:
                self._write_bytes(b"".join(batch))
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            self._write_bytes(b"".join(batch))
        self._warn_of_drops()

    def _warn_of_drops(self) -> None:
        if self.dropped:
            dropped, self.dropped = self.dropped, 0
            log.warning("dropped %d log lines: standard output was not read fast enough", dropped)

    def _is_writable(self) -> bool:
        """Return whether a line can be written without blocking."""
        try:
            return bool(select.select((), (self._out,), (), 0)[1])
        except (OSError, ValueError):  # the descriptor is closed, so a write fails at once
            return True

    def _write_bytes(self, content: bytes) -> None:
        while content:
            try:
                content = content[os.write(self._out, content) :]
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # the reader is gone
                return


@cache
def shared_log_writer() -> LogWriter:
    """Return the log writer of this process."""
    return LogWriter()
