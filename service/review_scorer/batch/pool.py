"""Texts scored by several processes at once, in order and with little of them held at a time."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from review_scorer.compute.processes import Processes
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.errors import FileError
from review_scorer.tables.row_results import Outcome, fault, merged, outcomes
from review_scorer.tables.rows import Row

# For each process: one batch that it works on, one that waits, and some that are being read or written meanwhile.
_AHEAD = 4

Submit = Callable[[Sequence[str]], "Future[list[Outcome]]"]
_Waiting = tuple[list[Row], list[str], "Future[list[Outcome]]"]


class BundleAt(NamedTuple):
    """Where a bundle is, with what it is to be loaded, and the digest that it must have."""

    directory: Path
    dictionary: Path
    max_chars: int
    digest: str


@contextmanager
def processes(bundle: BundleAt, scorer: Scorer, *, count: int) -> Iterator[Submit]:
    """Give what scores texts in ``count`` processes; one alone is this one, with ``scorer``."""
    if count == 1:
        yield here(scorer)
        return
    with Processes(count) as pool:
        yield lambda texts: pool.submit(_outcomes, bundle, texts)


def here(scorer: Scorer) -> Submit:
    """Return what scores texts at once, in this process."""
    return lambda texts: _done(outcomes(scorer, texts))


def scored(
    batches: Iterator[list[Row]], scorer: Scorer, submit: Submit, *, count: int
) -> Iterator[list[tuple[Row, Outcome]]]:
    """Yield the batches with the outcome of each row. What ``batches`` raises is raised after the last of them."""
    waiting: deque[_Waiting] = deque()
    broken: FileError | None = None
    try:
        for rows in batches:
            faults = [fault(scorer, row) for row in rows]
            texts = [row.text for row, wrong in zip(rows, faults, strict=True) if not wrong]
            waiting.append((rows, faults, submit(texts)))
            if len(waiting) >= _AHEAD * count or count == 1:
                yield _merged(waiting.popleft())
    except FileError as error:
        broken = error
    while waiting:
        yield _merged(waiting.popleft())
    if broken:
        raise broken


def _merged(waiting: _Waiting) -> list[tuple[Row, Outcome]]:
    rows, faults, found = waiting
    return merged(rows, faults, found.result())


def _done(found: list[Outcome]) -> "Future[list[Outcome]]":
    future: Future[list[Outcome]] = Future()
    future.set_result(found)
    return future


def _outcomes(bundle: BundleAt, texts: Sequence[str]) -> list[Outcome]:
    """In a process of its own: load the bundle at the first call, and score."""
    return outcomes(_load(bundle), texts)


@cache
def _load(bundle: BundleAt) -> Scorer:
    loaded = load(bundle.directory, dictionary=bundle.dictionary, max_chars=bundle.max_chars)
    if loaded.digest != bundle.digest:
        raise BundleError(f"{bundle.directory} was replaced meanwhile; start again")
    return loaded.scorer
