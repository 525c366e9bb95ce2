"""Writes predictions to the prediction log after the response.

A request only appends its predictions to a queue in memory. A task writes the queue to the store in batches. If the
store is slow or unavailable, the task retries with exponential backoff; predictions that do not fit into the queue
meanwhile are dropped and counted. An entry in the prediction log says how many are missing.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

from review_scorer.prediction_log.entries import Entry, gap_entry
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, new_id

log = logging.getLogger(__name__)

# Memory of a queued prediction in addition to its text.
_OVERHEAD_BYTES = 500
# Time to collect a batch, and its size: writing one batch delays a review by at most 1.5 ms.
_BATCH_SECONDS = 0.05
_BATCH = 50
# Delay between retries, doubled after each.
_MIN_BACKOFF, _MAX_BACKOFF = 0.1, 5.0
# Time to write the rest of the queue when the service stops.
_SHUTDOWN_SECONDS = 2.0
# Time for the thread of the log to write a last line; the process does not wait for it.
_LOG_SECONDS = 0.2


Count = Callable[[str, float], None]
"""Adds an amount to the counter with a name."""

WRITTEN, DROPPED = "prediction_log_written", "prediction_log_dropped"
"""Names of counters: predictions written to the store, and dropped ones."""


class StoreError(Exception):
    """Entries were not stored, or it is unknown whether they were; the message says why."""


class StreamStore(Protocol):
    """A store of streams of entries."""

    async def add(self, stream: str, entries: Sequence[Entry], /) -> None:
        """Append ``entries`` to ``stream``; raise ``StoreError`` unless all are known to be stored."""

    async def close(self) -> None:
        """Close the connections."""


class Recorder:
    """Writes predictions to ``stream`` of ``store`` from the start of a worker to its end.

    ``to_entry`` returns the entry of a prediction. ``buffer_bytes`` limits the memory of the queue. ``count`` is called
    with ``WRITTEN`` and ``DROPPED``: each prediction is queued, written or dropped.
    """

    def __init__(
        self,
        store: StreamStore,
        to_entry: Callable[[LoggedPrediction], Entry],
        *,
        stream: str,
        buffer_bytes: int,
        count: Count,
    ) -> None:
        self.store = store
        self.count = count
        self._to_entry = to_entry
        self._stream = stream
        self._buffer_bytes = buffer_bytes
        self._queued_bytes = 0
        self._queue: deque[LoggedPrediction] = deque()
        self._wake = asyncio.Event()
        # Dropped predictions: without an entry in the prediction log yet; with one, and not in a log line yet.
        self._unreported = self._reported = 0
        self._unavailable_since: float | None = None

    def add(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Queue ``predictions``, or drop those that do not fit. Takes microseconds and never fails."""
        for prediction in predictions:
            size = _size(prediction)
            if self._queued_bytes + size > self._buffer_bytes:
                self._drop(1)
            else:
                self._queued_bytes += size
                self._queue.append(prediction)
        self._wake.set()

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Start to write; Falcon calls this when the worker starts."""
        # The id of the next entry about dropped predictions. Made after the fork, so that each worker has its own.
        self._gap_id = new_id()
        self._writer = asyncio.create_task(self._write())
        self._writer.add_done_callback(_log_failure)

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Write the rest of the queue; Falcon calls this after the last response of the worker."""
        # In a loop, because on Python 3.11 a timeout within the client can swallow a cancellation.
        while not self._writer.done():
            self._writer.cancel()
            await asyncio.wait([self._writer], timeout=0.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_SECONDS):
                while self._is_pending() and await self._send():
                    pass
        if self._queue:
            self._drop(len(self._queue))
            self._queue.clear()
        if self._unreported:
            log.warning("%s predictions missing from the prediction log: not written in time", f"{self._unreported:,}")
            await asyncio.sleep(_LOG_SECONDS)
        await self.store.close()

    def _is_pending(self) -> bool:
        return bool(self._queue or self._unreported)

    async def _write(self) -> None:
        backoff = _MIN_BACKOFF
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(_BATCH_SECONDS)
            while self._is_pending():
                if await self._send():
                    backoff = _MIN_BACKOFF
                else:
                    # Jitter, so that the workers do not retry at the same time.
                    await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311
                    backoff = min(2 * backoff, _MAX_BACKOFF)

    async def _send(self) -> bool:
        """Write a batch and return whether it was stored. Predictions stay in the queue until they are stored."""
        batch = list(islice(self._queue, _BATCH))
        entries = [self._to_entry(prediction) for prediction in batch]
        dropped = self._unreported
        if dropped:
            entries.append(gap_entry(self._gap_id, dropped))
        try:
            await self.store.add(self._stream, entries)
        except StoreError as error:
            self._log_unavailable(error)
            return False
        for prediction in batch:
            self._queue.popleft()
            self._queued_bytes -= _size(prediction)
        self.count(WRITTEN, len(batch))
        self._log_available(dropped)
        return True

    def _drop(self, predictions: int) -> None:
        self._unreported += predictions
        self.count(DROPPED, predictions)

    def _log_unavailable(self, error: StoreError) -> None:
        if self._unavailable_since is None:
            self._unavailable_since = time.monotonic()
            log.warning("prediction log unavailable (%s); predictions are dropped once the buffer is full", error)

    def _log_available(self, dropped: int) -> None:
        """Log one line once the queue is empty, because until then more predictions may be dropped."""
        self._reported += dropped
        if dropped:
            self._unreported -= dropped
            self._gap_id = new_id()
        if self._is_pending():
            return
        if self._unavailable_since is not None:
            seconds = time.monotonic() - self._unavailable_since
            log.warning(
                "prediction log available again after %.1f s; %s predictions dropped", seconds, f"{self._reported:,}"
            )
        elif self._reported:
            log.warning(
                "%s predictions missing from the prediction log: made faster than written", f"{self._reported:,}"
            )
        self._unavailable_since, self._reported = None, 0


def _log_failure(writer: asyncio.Task[None]) -> None:
    if not writer.cancelled():
        log.error("prediction log stopped until the next restart", exc_info=writer.exception())


def _size(prediction: LoggedPrediction) -> int:
    return _OVERHEAD_BYTES + 2 * len(prediction.text)
