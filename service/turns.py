"""One computation at a time, in order of arrival, with a look at the sockets between any two.

A worker has one thread. Were requests scored as they come, a burst would keep it from its sockets until the last of
them is done, nobody could be refused in time, and a list would hold up every single review behind it. So each
computation takes a turn, and a list takes many: a slice of its texts at a time, at the end of the queue each time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from service.errors import overloaded

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


class _Turn(NamedTuple):
    work: Callable[[], Any]
    result: asyncio.Future[Any]
    ahead: int
    asked: float
    begun: bool


class Turns:
    """The queue for one worker's thread.

    ``patience`` is how many seconds a computation may wait; one whose turn comes later is refused instead, as its
    caller has given up or will. ``late`` counts those. ``observe``, if set, is called with the seconds that each turn
    was waited for.
    """

    def __init__(self, *, patience: float) -> None:
        self.late = 0
        self.observe: Callable[[float], None] | None = None
        self._patience = patience
        self._pace = 0.0
        self._ended = 0.0
        self._queue: deque[_Turn] = deque()

    @property
    def waiting(self) -> int:
        """How many computations wait for their turn."""
        return len(self._queue)

    @property
    def expected(self) -> float:
        """How many seconds the next to ask will wait, judging by those who had their turns lately and the next to."""
        if not self._queue:
            return 0.0
        return max(len(self._queue) * self._pace, time.monotonic() - self._queue[0].asked)

    async def take(self, work: Callable[[], Result], *, begun: bool = False) -> Result:
        """Return what ``work`` returns when its turn has come; raise a ``RequestError`` if that is too late.

        What has ``begun`` in an earlier turn is never too late.
        """
        loop = asyncio.get_running_loop()
        turn = _Turn(work, loop.create_future(), len(self._queue), time.monotonic(), begun)
        self._queue.append(turn)
        if turn.ahead == 0:
            # Not at once: those who arrived together with the first get to queue up behind it.
            self._ended = turn.asked
            loop.call_soon(self._give)
        result: Result = await turn.result
        return result

    async def take_slices(
        self, work: Callable[[Sequence[str]], Sequence[Result]], texts: Sequence[str]
    ) -> list[Result]:
        """Return what ``work`` returns for ``texts``, a slice of them a turn."""
        results: list[Result] = []
        for part in slices(texts):
            results += await self.take(lambda part=part: work(part), begun=bool(results))  # type: ignore[misc]
        return results

    def _give(self) -> None:
        """Give the next turn, or as many as there is time for, and come back after a look at the sockets."""
        began = time.monotonic()
        until = began + (began - self._ended) * _SHARE
        while self._queue and self._ended < until:
            if self._run(self._queue.popleft()):
                self._ended = time.monotonic()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._give)

    def _run(self, turn: _Turn) -> bool:
        """Compute, unless nobody wants the result any more; return whether that took time."""
        if turn.result.cancelled():
            return False
        waited = time.monotonic() - turn.asked
        if turn.ahead:
            self._pace += (waited / turn.ahead - self._pace) / _MEMORY
        if self.observe:
            self.observe(waited)
        if waited > self._patience and not turn.begun:
            self.late += 1
            turn.result.set_exception(overloaded())
            return False
        try:
            turn.result.set_result(turn.work())
        except Exception as error:  # noqa: BLE001
            turn.result.set_exception(error)
        return True


def slices(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut ``texts`` into runs of at most 16 of them, and of few enough characters; a long text is alone in its run."""
    start = size = 0
    for end, text in enumerate(texts):
        if end > start and (end - start == SLICE_TEXTS or size + len(text) > SLICE_CHARS):
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
