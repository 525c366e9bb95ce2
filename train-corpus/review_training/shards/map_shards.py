"""How the steps of training are spread over processes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from review_scorer.compute.processes import ProcessPool

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Mapper(Protocol):
    """Applies a function, which other processes can import, to each item."""

    def __call__(self, function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
        """Return the answers in the order of the items; a progress bar is headed ``what``."""


def one_by_one(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
    """Apply the function here."""
    del what
    return map(function, items)


def timed(spread: Mapper, seconds: dict[str, float]) -> Mapper:
    """Return a ``Mapper`` that adds up in ``seconds`` how long each step took."""

    def spread_and_time(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
        with took(seconds, what):
            return list(spread(function, items, what))

    return spread_and_time


@contextmanager
def took(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Add to ``seconds`` how long the step ``what`` takes."""
    begun = monotonic()
    yield
    seconds[what] = seconds.get(what, 0.0) + monotonic() - begun


@contextmanager
def processes(count: int) -> Iterator[Mapper]:
    """Give a ``Mapper`` over ``count`` processes of this machine; they start when there is more than one item."""
    with ExitStack() as stack:
        pool: list[ProcessPool] = []

        def spread(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
            if count == 1 or len(items) < 2:
                return _told(map(function, items), len(items), what)
            if not pool:
                pool.append(stack.enter_context(ProcessPool(count)))
            asked = deque(pool[0].submit(function, item) for item in items)
            return _told((asked.popleft().result() for _ in items), len(items), what)

        yield spread


def _told(answers: Iterable[Answer], total: int, what: str) -> Iterable[Any]:
    told: Iterable[Any] = tqdm(answers, total=total, desc=what, unit="shard", disable=None, leave=False)
    return told
