"""What the shell says on standard error: how far it is, what came of a file, what is wrong with one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from review_scorer.batch.jobs import Job, Tally


def summary(job: Job, tally: Tally) -> str:
    """Return the line that says what came of a file."""
    listed = f", {tally.rejected:,} without a score" + (f", listed in {job.rejects}" if job.rejects else "")
    where = f" -> {job.output}" if job.output else ""
    return f"{job.source.path}: {tally.rows:,} rows{listed if tally.rejected else ''}{where}"


def complain(what: object, error: object) -> str:
    """Say what is wrong with a file; return the line."""
    line = f"score: {what}: {error}"
    print(line, file=sys.stderr)
    return line


@contextmanager
def progress(what: str, *, total: int, unit: str) -> Iterator[Callable[[int], Any]]:
    """Give what is to be told how much more of ``total`` (0: unknown) was done; a bar shows where somebody looks."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - it comes with training, and is not in the image
    except ImportError:
        yield lambda _done: None
        return
    with tqdm(total=total or None, unit=unit, unit_scale=True, desc=what, disable=None) as bar:
        yield bar.update


@contextmanager
def took(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Put into ``seconds`` how long the step ``what`` takes."""
    begun = monotonic()
    yield
    seconds[what] = monotonic() - begun
