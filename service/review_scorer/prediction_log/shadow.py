"""A second bundle that scores along, for comparison: in the gaps between answers, and never in the way of one."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from review_scorer.capacity.queue import WorkQueue
from review_scorer.prediction_log.prediction_ids import LoggedPrediction
from review_scorer.prediction_log.recorder import Count, ignore
from review_scorer.scoring.scorer import Scorer

log = logging.getLogger(__name__)

# How many predictions may wait for a gap, and for how long; when it is busier than that, the comparison can do without.
_MOST_WAITING = 256
_PATIENCE = 1.0
_LOOK_SECONDS = 0.002


SCORED, SKIPPED = "shadow_scored", "shadow_skipped"
"""Names of numbers: predictions that the second bundle scored, and that were chosen and found no gap."""


class Shadow:
    """Lets ``scorer`` score a ``share`` of the predictions, one at a time and only while nobody waits for ``turns``.

    All go on to ``keep``, with the second score or without. ``scored`` counts the former, ``dropped`` those that were
    chosen and found no gap in time; ``count`` is told the same by name.
    """

    def __init__(
        self,
        scorer: Scorer,
        turns: WorkQueue,
        *,
        share: float,
        keep: Callable[[Sequence[LoggedPrediction]], None],
        count: Count = ignore,
    ) -> None:
        self.scored = 0
        self.dropped = 0
        self._scorer = scorer
        self._turns = turns
        self._share = share
        self._keep = keep
        self._count = count
        self._queue: deque[tuple[LoggedPrediction, float]] = deque()
        self._some = asyncio.Event()

    def add(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Take note of ``predictions``. Takes microseconds."""
        now = time.monotonic()
        for prediction in predictions:
            if random.random() >= self._share:  # noqa: S311
                self._keep([prediction])
            elif len(self._queue) >= _MOST_WAITING:
                self._drop(prediction)
            else:
                self._queue.append((prediction, now))
        self._some.set()

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Begin to score; called by Falcon when the worker starts."""
        self._worker = asyncio.create_task(self._work())

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Let go of what still waits; called by Falcon when the worker has answered everything."""
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker
        while self._queue:
            self._drop(self._queue.popleft()[0])

    async def _work(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._queue:
                # One look at the sockets at least between any two.
                await asyncio.sleep(0)
                prediction, since = self._queue[0]
                if time.monotonic() - since > _PATIENCE:
                    self._queue.popleft()
                    self._drop(prediction)
                elif self._turns.waiting:
                    await asyncio.sleep(_LOOK_SECONDS)
                else:
                    self._queue.popleft()
                    self._score(prediction)

    def _score(self, prediction: LoggedPrediction) -> None:
        try:
            stars = self._scorer.score(prediction.text)
        except Exception:
            # What it cannot score, the first bundle could: a fault, of which one line is enough.
            log.exception("the shadow failed and rests until the next start")
            self._share = 0.0
            self._drop(prediction)
        else:
            self.scored += 1
            self._count(SCORED, 1)
            self._keep([prediction._replace(shadow=stars)])

    def _drop(self, prediction: LoggedPrediction) -> None:
        self.dropped += 1
        self._count(SKIPPED, 1)
        self._keep([prediction])
