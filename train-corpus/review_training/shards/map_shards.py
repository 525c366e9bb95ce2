"""Maps functions over shards, in this process or in several."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from review_scorer.compute.processes import ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")


class Mapper(Protocol):
    """Applies a function, which other processes must be able to import, to each item."""

    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item], step: str) -> Iterable[Result]:
        """Return the results in the order of the items; the progress bar is labelled ``step``."""


def map_serially(function: Callable[[Item], Result], items: Sequence[Item], step: str) -> Iterable[Result]:
    """Apply the function in this process, without a progress bar."""
    del step
    return map(function, items)


def timed(map_shards: Mapper, seconds: dict[str, float]) -> Mapper:
    """Return a ``Mapper`` that adds the seconds of each step to ``seconds``."""

    def map_and_time(function: Callable[[Item], Result], items: Sequence[Item], step: str) -> Iterable[Result]:
        with timer(seconds, step):
            return list(map_shards(function, items, step))

    return map_and_time


@contextmanager
def timer(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Add the seconds that the block takes to ``seconds[step]``."""
    start = monotonic()
    yield
    seconds[step] = seconds.get(step, 0.0) + monotonic() - start


@contextmanager
def process_mapper(count: int) -> Iterator[Mapper]:
    """Yield a ``Mapper`` over ``count`` processes of this machine; they start with the first step of several items."""
    with ExitStack() as stack:
        pool: list[ProcessPool] = []

        def map_shards(function: Callable[[Item], Result], items: Sequence[Item], step: str) -> Iterable[Result]:
            if count == 1 or len(items) < 2:
                return _with_progress(map(function, items), len(items), step)
            if not pool:
                pool.append(stack.enter_context(ProcessPool(count)))
            futures = deque(pool[0].submit(function, item) for item in items)
            return _with_progress((futures.popleft().result() for _ in items), len(items), step)

        yield map_shards


def _with_progress(results: Iterable[Result], total: int, step: str) -> Iterable[Any]:
    shown: Iterable[Any] = tqdm(results, total=total, desc=step, unit="shard", disable=None, leave=False)
    return shown
