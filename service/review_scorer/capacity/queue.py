"""Queue of the computations of one worker: first in, first out, one at a time.

A worker has one thread. If it computed each request on arrival, a burst would keep it away from its sockets until the
last result, no request could be refused in time, and a list would block every single review behind it. So each
computation waits in this queue, the event loop polls the sockets between two computations, and a list is cut into
slices that are queued one after another.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from review_scorer.errors import RequestError

Text = TypeVar("Text", bound=str)
Result = TypeVar("Result")

# The size of a slice decides how long it delays other requests: 16 reviews of usual length take about 2 ms. Larger
# slices would be 5% cheaper at best; smaller slices cost more: 8 texts cost 10% more per text. Long texts count by
# their characters.
SLICE_TEXTS = 16
SLICE_CHARS = 4_000

# The wait per queued slice is a moving average over about this many slices: enough to smooth over long and short
# reviews, and soon forgotten.
_SMOOTHING = 32

# Usually one slice is computed between two polls of the sockets, so that the backlog grows in this queue, where it is
# visible and bounded, and not in the kernel. But computations always get at least this fraction of the time that the
# sockets take: otherwise clients that answer every refusal with a new request could keep the worker busy with refusals.
_COMPUTE_SHARE = 1 / 8


class ResultSink(Protocol):
    """Receives the result of queued work: an ``asyncio.Future``, or an object that handles it immediately.

    Exactly one of ``set_result`` and ``set_exception`` is called, or none if ``cancelled`` returns true.
    """

    def cancelled(self) -> bool:
        """Return whether the result is no longer needed."""

    def set_result(self, result: list[Any], /) -> None:
        """Receive the results, one for each text."""

    def set_exception(self, exception: Exception, /) -> None:
        """Receive the error: a ``RequestError`` if the wait was too long, else a bug."""


class _Slice(NamedTuple):
    work: Callable[[Any], Sequence[Any]]
    texts: Sequence[str]
    size: int
    result: ResultSink
    ahead: int
    queued_at: float
    resumed: bool


def _accept_any_wait(_waited: float) -> RequestError | None:
    return None


class WorkQueue:
    """The queue for one worker's thread.

    ``decide`` is called with the seconds that the first slice of a request has waited, and returns the error that
    refuses the request, or None. ``observe``, if set, is called with the same number of seconds.
    """

    def __init__(self, decide: Callable[[float], RequestError | None] = _accept_any_wait) -> None:
        self.observe: Callable[[float], None] | None = None
        self._decide = decide
        self._wait_per_slice = 0.0
        self._last_end = 0.0
        self._queue: deque[_Slice] = deque()

    @property
    def waiting(self) -> int:
        """Return the number of slices in the queue."""
        return len(self._queue)

    @property
    def expected_wait(self) -> float:
        """Return the seconds that a slice queued now is expected to wait, judging by the latest ones."""
        return len(self._queue) * self._wait_per_slice

    async def run(
        self,
        work: Callable[[Sequence[Text]], Sequence[Result]],
        texts: Sequence[Text],
        *,
        slice_size: int = SLICE_TEXTS,
        resumed: bool = False,
    ) -> list[Result]:
        """Return the results of ``work`` for ``texts``, which are queued in slices of at most ``slice_size`` texts.

        Raises a ``RequestError`` if the first slice waited too long. ``resumed`` says that these texts continue a
        request that already has results, so that it is not refused. ``work`` may be called with the texts of several
        requests at once: it must treat each text on its own, and raise nothing that the caller could have checked.
        """
        results: list[Result] = []
        for part in slices(texts, slice_size):
            results += await self._run_slice(work, part, slice_size, resumed=resumed or bool(results))
        return results

    def submit(
        self,
        work: Callable[[Sequence[Text]], Sequence[Any]],
        texts: Sequence[Text],
        result: ResultSink,
        *,
        slice_size: int = SLICE_TEXTS,
        resumed: bool = False,
    ) -> None:
        """Queue one slice of ``texts``, and give ``result`` its results; the arguments are those of ``run``.

        The methods of ``result`` are called between two computations, so they must return quickly.
        """
        ahead = len(self._queue)
        queued_at = time.monotonic()
        self._queue.append(_Slice(work, texts, slice_size, result, ahead, queued_at, resumed))
        if ahead == 0:
            # Not computed at once, so that requests that arrived together can share one computation.
            self._last_end = queued_at
            asyncio.get_running_loop().call_soon(self._run_next)

    async def _run_slice(self, work: Any, texts: Sequence[str], slice_size: int, *, resumed: bool) -> list[Any]:
        result: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.submit(work, texts, result, slice_size=slice_size, resumed=resumed)
        return await result

    def _run_next(self) -> None:
        """Compute the next slices, as many as there is time for, and continue after the sockets were polled."""
        start = time.monotonic()
        until = start + (start - self._last_end) * _COMPUTE_SHARE
        while self._queue and self._last_end < until:
            if self._compute(self._next_slices()):
                self._last_end = time.monotonic()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._run_next)

    def _next_slices(self) -> list[_Slice]:
        """Remove the next slice from the queue, and those behind it that fit into the same computation.

        Computing together is cheaper: ten single reviews cost two thirds of what they cost apart.
        """
        first = self._queue.popleft()
        together, size, chars = [first], len(first.texts), sum(map(len, first.texts))
        while self._queue and self._queue[0].work == first.work:
            texts = self._queue[0].texts
            size += len(texts)
            chars += sum(map(len, texts))
            if size > first.size or chars > SLICE_CHARS:
                break
            together.append(self._queue.popleft())
        return together

    def _compute(self, together: Sequence[_Slice]) -> bool:
        """Compute the slices that are still needed; return whether there were any."""
        now = time.monotonic()
        needed = [each for each in together if self._is_needed(each, now)]
        if not needed:
            return False
        try:
            results = iter(needed[0].work([text for each in needed for text in each.texts]))
        except Exception as error:  # noqa: BLE001
            if len(needed) == 1:
                _deliver(needed[0].result.set_exception, error)
            else:
                # One by one, so that only the slice with the fault gets the error.
                for each in needed:
                    self._compute([each])
        else:
            for each in needed:
                _deliver(each.result.set_result, list(islice(results, len(each.texts))))
        return True

    def _is_needed(self, each: _Slice, now: float) -> bool:
        if each.result.cancelled():
            return False
        waited = now - each.queued_at
        if each.ahead:
            self._wait_per_slice += (waited / each.ahead - self._wait_per_slice) / _SMOOTHING
        if each.resumed:
            return True
        if self.observe:
            self.observe(waited)
        if error := self._decide(waited):
            _deliver(each.result.set_exception, error)
            return False
        return True


def _deliver(receive: Callable[[Any], None], outcome: Any) -> None:
    """Call ``receive``; log a bug in it, which must not stop the other computations."""
    try:
        receive(outcome)
    except Exception as error:  # noqa: BLE001
        context = {"message": "a result could not be delivered", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def slices(texts: Sequence[Text], size: int = SLICE_TEXTS) -> Iterator[Sequence[Text]]:
    """Yield ``texts`` in slices of at most ``size`` texts and ``SLICE_CHARS`` characters; a longer text is alone."""
    start = chars = 0
    for end, text in enumerate(texts):
        if end > start and (end - start == size or chars + len(text) > SLICE_CHARS):
            yield texts[start:end]
            start, chars = end, 0
        chars += len(text)
    if start < len(texts):
        yield texts[start:]
