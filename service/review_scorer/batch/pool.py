"""Scores batches of rows in several processes, in order and with a bounded number of batches in memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from review_scorer.compute.processes import ProcessPool
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.errors import FileError
from review_scorer.tables.row_results import RowResult, merge_results, row_error, score_texts
from review_scorer.tables.rows import Row

# For each process: one batch being scored, one queued, and two being read or written.
_BATCHES_AHEAD = 4

Submit = Callable[[Sequence[str]], "Future[list[RowResult]]"]
_Pending = tuple[list[Row], list[str], "Future[list[RowResult]]"]


class BundleSpec(NamedTuple):
    """A bundle to load: its directory, dictionary and text limit in characters, and its expected digest."""

    directory: Path
    dictionary: Path
    max_chars: int
    digest: str


@contextmanager
def scoring_pool(bundle: BundleSpec, scorer: Scorer, *, count: int) -> Iterator[Submit]:
    """Yield a function that submits texts to ``count`` processes; for one process, to ``scorer`` in this one."""
    if count == 1:
        yield in_process(scorer)
        return
    with ProcessPool(count) as pool:
        yield lambda texts: pool.submit(_score, bundle, texts)


def in_process(scorer: Scorer) -> Submit:
    """Return a function that scores texts immediately, in this process."""

    def submit(texts: Sequence[str]) -> "Future[list[RowResult]]":
        future: Future[list[RowResult]] = Future()
        future.set_result(score_texts(scorer, texts))
        return future

    return submit


def score_batches(
    batches: Iterator[list[Row]], scorer: Scorer, submit: Submit, *, count: int
) -> Iterator[list[tuple[Row, RowResult]]]:
    """Yield the batches with the result of each row. An error of ``batches`` is raised after the last batch."""
    pending: deque[_Pending] = deque()
    failure: FileError | None = None
    try:
        for rows in batches:
            errors = [row_error(scorer, row) for row in rows]
            texts = [row.text for row, error in zip(rows, errors, strict=True) if not error]
            pending.append((rows, errors, submit(texts)))
            if len(pending) >= _BATCHES_AHEAD * count or count == 1:
                yield _merged(pending.popleft())
    except FileError as error:
        failure = error
    while pending:
        yield _merged(pending.popleft())
    if failure:
        raise failure


def _merged(pending: _Pending) -> list[tuple[Row, RowResult]]:
    rows, errors, results = pending
    return merge_results(rows, errors, results.result())


def _score(bundle: BundleSpec, texts: Sequence[str]) -> list[RowResult]:
    """Score texts in a worker process, which loads the bundle at the first call."""
    return score_texts(_load(bundle), texts)


@cache
def _load(bundle: BundleSpec) -> Scorer:
    loaded = load(bundle.directory, dictionary=bundle.dictionary, max_chars=bundle.max_chars)
    if loaded.digest != bundle.digest:
        raise BundleError(f"{bundle.directory} was replaced during scoring; run it again")
    return loaded.scorer
