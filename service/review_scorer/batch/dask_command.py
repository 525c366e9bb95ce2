"""Scores the files of the command line on a Dask cluster, in partitions."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from review_scorer.batch.checkpoints import Checkpoints
from review_scorer.batch.dask_driver import ScorerPlugin, keep_worker_memory, plan_files, registered, score_tasks
from review_scorer.batch.dask_tasks import ScoreTask, TaskResult
from review_scorer.batch.jobs import FileJob, FileSummary, OutputFormat
from review_scorer.batch.partitions import PartitionPlan
from review_scorer.batch.pool import BundleSpec
from review_scorer.batch.progress import progress_bar, report_error, summary_line, timed_step
from review_scorer.compute.dask_client import connect
from review_scorer.corpora.locations import Location

Item = TypeVar("Item")
Result = TypeVar("Result")


def score_on_cluster(
    jobs: Sequence[FileJob],
    folder: Location,
    bundle: BundleSpec,
    bundle_files: Sequence[str],
    *,
    scheduler: str,
    workers: int | None,
    timeout: float,
    max_rows: int,
    seconds: dict[str, float],
) -> list[str]:
    """Score files to ``folder`` on the cluster at ``scheduler``, in partitions of at most ``max_rows`` rows.

    ``workers`` and ``timeout`` are those of ``connect``. Partitions that succeed are kept if others fail. ``seconds``
    receives the duration of each step. Return the reported errors. Raises ``ClusterError``.
    """
    if not jobs:
        return []
    output_format, folder = jobs[0].output_format, folder.absolute()  # valid on other machines too
    locations = [job.source.location.absolute() for job in jobs]
    with (
        keep_worker_memory(),
        connect(scheduler, workers=workers, timeout=timeout) as client,
        registered(client, ScorerPlugin(bundle, bundle_files)) as plugin,
    ):
        with timed_step(seconds, "plan"), progress_bar("plan", total=len(locations), unit=" files") as advance:
            plans = _collect(plan_files(client, locations, output_format, max_rows=max_rows), advance)
        tasks = {location: _tasks(location, plans[location], output_format, folder) for location in locations}
        all_tasks = [task for location in locations for task in tasks[location]]
        with timed_step(seconds, "score"), progress_bar("score", total=len(all_tasks), unit=" parts") as advance:
            results = _collect(score_tasks(client, all_tasks, plugin), advance)
    failed = [report_error(location, plan) for location, plan in plans.items() if isinstance(plan, str)]
    complete: list[ScoreTask] = []
    for location in locations:
        errors = _report(tasks[location], results)
        failed += errors
        complete += [] if errors else tasks[location]
    Checkpoints(folder).remove_stale([task.job for task in complete])
    return failed


def _collect(results: Iterable[tuple[Item, Result]], advance: Callable[[int], object]) -> dict[Item, Result]:
    """Return the results by item; ``advance`` is called with 1 for each."""
    collected = {}
    for item, result in results:
        collected[item] = result
        advance(1)
    return collected


def _tasks(
    location: Location, plan: PartitionPlan | str, output_format: OutputFormat, folder: Location
) -> list[ScoreTask]:
    if isinstance(plan, str):
        return []
    partitions = plan.partitions or (None,)
    return [ScoreTask(location, partition, plan.digest, output_format, folder) for partition in partitions]


def _report(tasks: Sequence[ScoreTask], results: Mapping[ScoreTask, TaskResult]) -> list[str]:
    """Print the summary of a file, of which ``tasks`` are all tasks, and its errors; return the errors."""
    failed = [report_error(task, results[task].error) for task in tasks if results[task].error]
    done = [results[task] for task in tasks if not results[task].error]
    if done:
        total = FileSummary(*map(sum, zip(*(result.summary for result in done), strict=True)))
        print(_summary_line(tasks, total, done), file=sys.stderr)
    return failed


def _summary_line(tasks: Sequence[ScoreTask], total: FileSummary, done: Sequence[TaskResult]) -> str:
    skipped = sum(result.skipped for result in done)
    if not tasks[0].partition:
        return summary_line(tasks[0].job, total) + (", already scored" if skipped else "")
    rejected = f", {total.rejected:,} without a score" if total.rejected else ""
    parts = f"{len(done)} of {len(tasks)} parts" + (f", {skipped} of them already scored" if skipped else "")
    return f"{tasks[0].location}: {total.rows:,} rows{rejected}, in {parts} -> {tasks[0].folder}"
