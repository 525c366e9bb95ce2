"""One computation at a time, in order of arrival, with a look at the sockets between any two.

A worker has one thread. Were requests scored as they come, a burst would keep it from its sockets until the last of
them is done, nobody could be refused in time, and a list would hold up every single review behind it. So each
computation takes a turn, and a list takes many: a slice of its texts at a time, at the end of the queue each time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from review_scorer.errors import overloaded

Result = TypeVar("Result")

# How long one slice keeps a neighbour waiting: 16 reviews of usual length take about 2 ms. Larger slices would be 5%
# cheaper at best, smaller ones are dearer: 8 texts cost 10% more a text. Long texts count by their characters.
SLICE_TEXTS = 16
SLICE_CHARS = 4_000

# The pace is a mean over about this many turns: enough to smooth over long and short reviews, and soon forgotten.
_MEMORY = 32

# Usually one turn is given between two looks at the sockets: so the queue grows here, where it is seen and bounded, and
# not in the kernel. But this part of the time that the sockets take is spent on turns in any case: clients that answer
# every refusal with a new request could else keep the worker busy with refusing alone.
_SHARE = 1 / 8

# While the workers change there is too little CPU for all, for a second: better to answer late then than to refuse.
_PATIENCE_IN_CHANGE = 2.0


class ResultSink(Protocol):
    """Who waits for what is computed: a future, or who does not want to wait for the loop's next round, as that does.

    It is told of one of the two, or of none if it says that it is ``cancelled``.
    """

    def cancelled(self) -> bool:
        """Whether nothing has to be computed any more."""

    def set_result(self, result: list[Any], /) -> None:
        """Take the results, one a text."""

    def set_exception(self, exception: Exception, /) -> None:
        """Take what went wrong: a ``RequestError`` where the turn came too late, else a bug."""


class _Turn(NamedTuple):
    work: Callable[[Sequence[str]], Sequence[Any]]
    texts: Sequence[str]
    at_once: int
    result: ResultSink
    ahead: int
    asked: float
    begun: bool


class WorkQueue:
    """The queue for one worker's thread.

    ``patience`` is how many seconds a computation may wait; one whose turn comes later is refused instead, as its
    caller has given up or will. ``late`` counts those. While ``reloading`` returns true it is longer.
    ``observe``, if set, is called with the seconds that each first turn was waited for.
    """

    def __init__(self, *, patience: float, reloading: Callable[[], bool] = lambda: False) -> None:
        self.late = 0
        self.observe: Callable[[float], None] | None = None
        self._patience = patience
        self._reloading = reloading
        self._pace = 0.0
        self._ended = 0.0
        self._queue: deque[_Turn] = deque()

    @property
    def patience(self) -> float:
        """How many seconds a computation may wait, as things are."""
        return max(self._patience, _PATIENCE_IN_CHANGE) if self._reloading() else self._patience

    @property
    def waiting(self) -> int:
        """How many computations wait for their turn."""
        return len(self._queue)

    @property
    def expected(self) -> float:
        """How many seconds the next to ask will wait, judging by those who had their turns lately."""
        return len(self._queue) * self._pace

    async def take(
        self,
        work: Callable[[Sequence[str]], Sequence[Result]],
        texts: Sequence[str],
        *,
        at_once: int = SLICE_TEXTS,
        begun: bool = False,
    ) -> list[Result]:
        """Return what ``work`` returns for ``texts``, which takes a turn for every slice of ``at_once`` of them.

        Raises a ``RequestError`` if the first turn comes too late, unless these texts go on with what was ``begun``
        before. ``work`` may be given others' texts with these, and so must treat each as if it were alone, and raise
        nothing that the caller could have foreseen.
        """
        results: list[Result] = []
        for part in slices(texts, at_once):
            results += await self._take(work, part, at_once, begun=begun or bool(results))
        return results

    def queue(
        self,
        work: Callable[[Sequence[str]], Sequence[Any]],
        texts: Sequence[str],
        result: ResultSink,
        *,
        at_once: int = SLICE_TEXTS,
        begun: bool = False,
    ) -> None:
        """Let ``result`` have what ``work`` returns for ``texts``, which are few enough for one turn, as ``take`` does.

        It is called in the turn itself, and so may not take long.
        """
        turn = _Turn(work, texts, at_once, result, len(self._queue), time.monotonic(), begun)
        self._queue.append(turn)
        if turn.ahead == 0:
            # Not at once: those who arrived together with the first get to queue up behind it.
            self._ended = turn.asked
            asyncio.get_running_loop().call_soon(self._give)

    async def _take(self, work: Any, texts: Sequence[str], at_once: int, *, begun: bool) -> list[Any]:
        result: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.queue(work, texts, result, at_once=at_once, begun=begun)
        return await result

    def _give(self) -> None:
        """Give the next turn, or as many as there is time for, and come back after a look at the sockets."""
        began = time.monotonic()
        until = began + (began - self._ended) * _SHARE
        while self._queue and self._ended < until:
            if self._run(self._next()):
                self._ended = time.monotonic()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._give)

    def _next(self) -> list[_Turn]:
        """Take the next turn from the queue, and those behind it that can share it.

        What is computed together is cheaper: ten single reviews cost two thirds of what they cost apart.
        """
        first = self._queue.popleft()
        turns, size, chars = [first], len(first.texts), sum(map(len, first.texts))
        while self._queue and self._queue[0].work == first.work:
            texts = self._queue[0].texts
            size += len(texts)
            chars += sum(map(len, texts))
            if size > first.at_once or chars > SLICE_CHARS:
                break
            turns.append(self._queue.popleft())
        return turns

    def _run(self, turns: Sequence[_Turn]) -> bool:
        """Compute for those who still want the result; return whether that took time."""
        now = time.monotonic()
        wanted = [turn for turn in turns if self._is_wanted(turn, now)]
        if not wanted:
            return False
        try:
            results = iter(wanted[0].work([text for turn in wanted for text in turn.texts]))
        except Exception as error:  # noqa: BLE001
            if len(wanted) == 1:
                _tell(wanted[0].result.set_exception, error)
            else:
                # Only who caused it shall have the error.
                for turn in wanted:
                    self._run([turn])
        else:
            for turn in wanted:
                _tell(turn.result.set_result, list(islice(results, len(turn.texts))))
        return True

    def _is_wanted(self, turn: _Turn, now: float) -> bool:
        if turn.result.cancelled():
            return False
        waited = now - turn.asked
        if turn.ahead:
            self._pace += (waited / turn.ahead - self._pace) / _MEMORY
        if self.observe and not turn.begun:
            self.observe(waited)
        if waited > self.patience and not turn.begun:
            self.late += 1
            _tell(turn.result.set_exception, overloaded())
            return False
        return True


def _tell(take: Callable[[Any], None], outcome: Any) -> None:
    """Let one have the outcome; a bug there is logged, and must not cost all others their turns."""
    try:
        take(outcome)
    except Exception as error:  # noqa: BLE001
        bug = {"message": "what was computed could not be handed over", "exception": error}
        asyncio.get_running_loop().call_exception_handler(bug)


def slices(texts: Sequence[str], most: int = SLICE_TEXTS) -> Iterator[Sequence[str]]:
    """Cut ``texts`` into runs of at most ``most`` of them, and of few enough characters; a long text is alone."""
    start = size = 0
    for end, text in enumerate(texts):
        if end > start and (end - start == most or size + len(text) > SLICE_CHARS):
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
