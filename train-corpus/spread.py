"""How the steps of training are spread over processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from time import monotonic
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Spread(Protocol):
    """Applies a function, which other processes can import, to each item."""

    def __call__(self, function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
        """Return the answers in the order of the items; a progress bar is headed ``what``."""


def one_by_one(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
    """Apply the function here."""
    del what
    return map(function, items)


def timed(spread: Spread, seconds: dict[str, float]) -> Spread:
    """Return a ``Spread`` that adds up in ``seconds`` how long each step took."""

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
def processes(count: int) -> Iterator[Spread]:
    """Give a ``Spread`` over ``count`` processes of this machine; they start when there is more than one item."""
    # Spawned, not forked: LightGBM's threads do not survive a fork.
    pool: list[ProcessPoolExecutor] = []

    def spread(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
        if count == 1 or len(items) < 2:
            return _told(map(function, items), len(items), what)
        if not pool:
            pool.append(ProcessPoolExecutor(count, get_context("spawn")))
        return _told(pool[0].map(function, items), len(items), what)

    try:
        yield spread
    finally:
        for each in pool:
            each.shutdown(cancel_futures=True)


def _told(answers: Iterable[Answer], total: int, what: str) -> Iterable[Any]:
    told: Iterable[Any] = tqdm(answers, total=total, desc=what, unit="shard", disable=None, leave=False)
    return told
