"""Reports progress, results and errors of the command on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from review_scorer.batch.jobs import FileJob, FileSummary


def summary_line(job: FileJob, summary: FileSummary) -> str:
    """Return the line that reports the result of a file."""
    listed = f", {summary.rejected:,} without a score" + (f", listed in {job.rejects}" if job.rejects else "")
    output = f" -> {job.output}" if job.output else ""
    return f"{job.source.location}: {summary.rows:,} rows{listed if summary.rejected else ''}{output}"


def report_error(subject: object, error: object) -> str:
    """Print an error that concerns a file or a partition; return the line."""
    line = f"score: {subject}: {error}"
    print(line, file=sys.stderr)
    return line


@contextmanager
def progress_bar(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], Any]]:
    """Yield a function that advances a progress bar, shown on terminals; ``total`` is 0 if it is unknown."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - from the extra `training`
    except ImportError:
        yield lambda _done: None
        return
    with tqdm(total=total or None, unit=unit, unit_scale=True, desc=description, disable=None) as bar:
        yield bar.update


@contextmanager
def timed_step(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Store in ``seconds`` the duration of the block."""
    begin = monotonic()
    yield
    seconds[step] = monotonic() - begin
