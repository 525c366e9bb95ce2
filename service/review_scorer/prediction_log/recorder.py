"""The record of predictions, written behind the answers' back.

An answer only puts its prediction into a queue in memory. A task writes the queue to the store in batches; when the
store is slow or away it tries again, ever more rarely, and what the queue cannot hold meanwhile is dropped and counted.
The record itself says so too, in an entry where predictions are missing.
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

# What an entry takes in memory beside its text.
_BYTES = 500
# How long predictions gather, and how many are written at once: a batch keeps a review waiting for 1.5 ms at most.
_GATHER_SECONDS = 0.05
_BATCH = 50
# Between tries, doubled after each.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# For what is left in the queue when the service stops.
_LAST_SECONDS = 2.0
# In which the log's thread writes a line; the process ends without asking it.
_LOG_SECONDS = 0.2


Count = Callable[[str, float], None]

WRITTEN, DROPPED = "prediction_log_written", "prediction_log_dropped"
"""Names of numbers: predictions that were recorded, and that were not."""


def ignore(_name: str, _amount: float) -> None:
    """Count nothing."""


class StoreError(Exception):
    """Nothing could be stored, or nobody knows; the message says why."""


class Store(Protocol):
    """Where the record is kept."""

    async def add(self, stream: str, entries: Sequence[Entry]) -> None:
        """Append ``entries`` to ``stream``; raise ``StoreError`` unless all are known to be stored."""

    async def close(self) -> None:
        """Let go of the store."""


class Recorder:
    """Writes predictions to ``stream`` of ``store``, as ``describe`` has them, from the start of a worker to its end.

    ``held_bytes`` bounds what waits. ``written`` and ``dropped`` count this worker's predictions: each of them is
    waiting, written or dropped. ``count`` is told the same by name, to add up what all workers did.
    """

    def __init__(
        self,
        store: Store,
        describe: Callable[[LoggedPrediction], Entry],
        *,
        stream: str,
        held_bytes: int,
        count: Count = ignore,
    ) -> None:
        self.store = store
        self.stream = stream
        self.count = count
        self.written = 0
        self.dropped = 0
        self._describe = describe
        self._most = held_bytes
        self._held = 0
        self._queue: deque[LoggedPrediction] = deque()
        self._some = asyncio.Event()
        # Of what was dropped: what the record does not tell of yet; what it does, and the log does not.
        self._untold = self._told = 0
        self._away_since: float | None = None

    def add(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Record ``predictions`` soon, or drop what there is no room for. Takes microseconds and never fails."""
        for prediction in predictions:
            size = _size(prediction)
            if self._held + size > self._most:
                self._drop(1)
            else:
                self._held += size
                self._queue.append(prediction)
        self._some.set()

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Begin to write; called by Falcon when the worker starts."""
        # The name of the entry that says what was dropped. Not before the fork: each worker has its own.
        self._gap = new_id()
        self._writer = asyncio.create_task(self._write())
        self._writer.add_done_callback(_tell_of_a_bug)

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Write what is left; called by Falcon when the worker has answered everything."""
        # Again and again: on Python 3.11 a time-out within the client can swallow a cancellation.
        while not self._writer.done():
            self._writer.cancel()
            await asyncio.wait([self._writer], timeout=0.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while self._has_more() and await self._send():
                    pass
        if self._queue:
            self._drop(len(self._queue))
            self._queue.clear()
        if self._untold:
            log.warning("the record lacks %s predictions: it could not be written before the end", f"{self._untold:,}")
            await asyncio.sleep(_LOG_SECONDS)
        await self.store.close()

    def _has_more(self) -> bool:
        return bool(self._queue or self._untold)

    async def _write(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._some.wait()
            self._some.clear()
            await asyncio.sleep(_GATHER_SECONDS)
            while self._has_more():
                if await self._send():
                    pause = _FIRST_PAUSE
                else:
                    # Not all workers at once.
                    await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
                    pause = min(2 * pause, _LONGEST_PAUSE)

    async def _send(self) -> bool:
        """Write the first of the queue; return whether that went well. They stay in it until they are stored."""
        batch = list(islice(self._queue, _BATCH))
        entries = [self._describe(prediction) for prediction in batch]
        told = self._untold
        if told:
            entries.append(gap_entry(self._gap, told))
        try:
            await self.store.add(self.stream, entries)
        except StoreError as error:
            self._note_away(error)
            return False
        for prediction in batch:
            self._queue.popleft()
            self._held -= _size(prediction)
        self.written += len(batch)
        self.count(WRITTEN, len(batch))
        self._note_stored(told)
        return True

    def _drop(self, predictions: int) -> None:
        self.dropped += predictions
        self._untold += predictions
        self.count(DROPPED, predictions)

    def _note_away(self, error: StoreError) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("the record cannot be written (%s); what it cannot hold meanwhile is dropped", error)

    def _note_stored(self, told: int) -> None:
        """Say how it was once, when all that waited is written: until then more may be dropped."""
        self._told += told
        if told:
            self._untold -= told
            self._gap = new_id()
        if self._has_more():
            return
        if self._away_since is not None:
            seconds = time.monotonic() - self._away_since
            log.warning(
                "the record is written again after %.1f s; %s predictions were dropped", seconds, f"{self._told:,}"
            )
        elif self._told:
            log.warning(
                "the record lacks %s predictions: they came faster than they could be written", f"{self._told:,}"
            )
        self._away_since, self._told = None, 0


def _tell_of_a_bug(writer: asyncio.Task[None]) -> None:
    if not writer.cancelled():
        log.error("the record rests until the next start", exc_info=writer.exception())


def _size(prediction: LoggedPrediction) -> int:
    return _BYTES + 2 * len(prediction.text)
