"""A shadow bundle: scores a sample of the predictions again, for comparison, while the worker is idle."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from review_scorer.capacity.queue import WorkQueue
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, PredictionSink
from review_scorer.prediction_log.recorder import Count
from review_scorer.scoring.scorer import Scorer

log = logging.getLogger(__name__)

# Predictions that wait for an idle worker, and how long. If it is busier than that, they are skipped.
_MAX_QUEUED = 256
_MAX_WAIT_SECONDS = 1.0
_POLL_SECONDS = 0.002


SCORED, SKIPPED = "shadow_scored", "shadow_skipped"
"""Names of counters: predictions that the shadow bundle scored, and sampled ones that it did not."""


class Shadow:
    """Scores a ``share`` (0–1) of the predictions with ``scorer``, one at a time and only while ``queue`` is empty.

    Passes each prediction to ``sink``, with the shadow score or without. ``count`` is called with ``SCORED`` and
    ``SKIPPED``.
    """

    def __init__(self, scorer: Scorer, queue: WorkQueue, *, share: float, sink: PredictionSink, count: Count) -> None:
        self._scorer = scorer
        self._work_queue = queue
        self._share = share
        self._sink = sink
        self._count = count
        self._queue: deque[tuple[LoggedPrediction, float]] = deque()
        self._wake = asyncio.Event()

    def add(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Queue a sample of ``predictions``, and pass on the others. Takes microseconds."""
        now = time.monotonic()
        for prediction in predictions:
            if random.random() >= self._share:  # noqa: S311
                self._sink([prediction])
            elif len(self._queue) >= _MAX_QUEUED:
                self._skip(prediction)
            else:
                self._queue.append((prediction, now))
        self._wake.set()

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Start to score; Falcon calls this when the worker starts."""
        self._task = asyncio.create_task(self._run())

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Pass on the rest of the queue without shadow scores; Falcon calls this after the last response."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        while self._queue:
            self._skip(self._queue.popleft()[0])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                # Let the event loop read the sockets before each score.
                await asyncio.sleep(0)
                prediction, since = self._queue[0]
                if time.monotonic() - since > _MAX_WAIT_SECONDS:
                    self._queue.popleft()
                    self._skip(prediction)
                elif self._work_queue.waiting:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    self._queue.popleft()
                    self._score(prediction)

    def _score(self, prediction: LoggedPrediction) -> None:
        try:
            stars = self._scorer.score(prediction.text)
        except Exception:
            # The bundle in use could score this text, so the shadow bundle is at fault: stop, with one log line.
            log.exception("shadow bundle failed; it is off until the next restart")
            self._share = 0.0
            self._skip(prediction)
        else:
            self._count(SCORED, 1)
            self._sink([prediction._replace(shadow=stars)])

    def _skip(self, prediction: LoggedPrediction) -> None:
        self._count(SKIPPED, 1)
        self._sink([prediction])
