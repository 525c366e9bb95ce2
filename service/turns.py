"""One computation at a time, in order of arrival, with a look at the sockets between any two.

A worker has one thread. Were requests scored as they come, a burst would keep it from its sockets until the last of them
is done, nobody could be refused in time, and a list would hold up every single review behind it. So each computation
takes a turn, and a list takes many: a slice of its texts at a time, at the end of the queue each time.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from service.errors import overloaded

Result = TypeVar("Result")

# How long one slice keeps a neighbour waiting: 16 reviews of usual length take about 2 ms. Larger slices would be 5%
# cheaper at best, smaller ones are dearer: 8 texts cost 10% more a text. Long texts count by their characters.
SLICE_TEXTS = 16
SLICE_CHARS = 4_000

# The pace is a mean over about this many turns: enough to smooth over long and short reviews, and soon forgotten.
_MEMORY = 32


class Turns:
    """The queue for one worker's thread.

    ``patience`` is how many seconds a computation may wait; one whose turn comes later is refused instead, as its
    caller has given up or will. ``waiting`` counts the turns that were asked for and have not ended, ``late`` those
    refused. ``observe``, if set, is called with the seconds that each turn was waited for.
    """

    def __init__(self, *, patience: float) -> None:
        self.waiting = 0
        self.late = 0
        self.observe: Callable[[float], None] | None = None
        self._patience = patience
        self._pace = 0.0
        self._lock = asyncio.Lock()

    @property
    def expected(self) -> float:
        """How many seconds the next to ask will wait, judging by those who had their turns lately."""
        return self.waiting * self._pace

    async def take(self, work: Callable[[], Result], *, begun: bool = False) -> Result:
        """Return what ``work`` returns when its turn has come; raise a ``RequestError`` if that is too late.

        What has ``begun`` in an earlier turn is never too late.
        """
        ahead, asked = self.waiting, time.monotonic()
        self.waiting += 1
        try:
            async with self._lock:
                if not ahead:
                    # Those who arrived together with the first get to queue up behind it.
                    await asyncio.sleep(0)
                self._note(time.monotonic() - asked, ahead, begun=begun)
                return work()
        finally:
            self.waiting -= 1

    def _note(self, waited: float, ahead: int, *, begun: bool) -> None:
        if ahead:
            self._pace += (waited / ahead - self._pace) / _MEMORY
        if self.observe:
            self.observe(waited)
        if waited > self._patience and not begun:
            self.late += 1
            raise overloaded()

    async def take_slices(
        self, work: Callable[[Sequence[str]], Sequence[Result]], texts: Sequence[str]
    ) -> list[Result]:
        """Return what ``work`` returns for ``texts``, a slice of them a turn."""
        results: list[Result] = []
        for part in slices(texts):
            results += await self.take(lambda part=part: work(part), begun=bool(results))  # type: ignore[misc]
        return results


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
