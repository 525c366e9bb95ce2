"""Distributes the scoring of files over the workers of a Dask cluster, one partition at a time each.

The workers need this package and access to the files; the bundle is sent to them. A partition that fails, or whose
worker is lost, is retried on another worker. Outputs that an earlier run completed are kept.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from review_scorer.batch.checkpoints import Checkpoints
from review_scorer.batch.dask_tasks import ScoreTask, TaskResult
from review_scorer.batch.jobs import OutputFormat, plan_job, run_job
from review_scorer.batch.partitions import PartitionPlan, plan_partitions
from review_scorer.batch.pool import BundleSpec, in_process
from review_scorer.compute.dask_client import DASK_MISSING, ClusterError
from review_scorer.corpora.locations import Location
from review_scorer.scoring.bundle import MANIFEST, load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.tables.errors import FileError

try:
    import dask
    from distributed import WorkerPlugin, as_completed, get_worker
    from distributed.scheduler import KilledWorker
except ImportError:
    raise ClusterError(DASK_MISSING) from None

_RETRIES = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


class ScorerPlugin(WorkerPlugin):  # type: ignore[misc]
    """Holds the scorer of each worker, loaded from the ``files`` of the bundle; ``lock`` serialises its threads."""

    def __init__(self, bundle: BundleSpec, files: Sequence[str]) -> None:
        self.facts = {"bundle": bundle.digest, "max_chars": bundle.max_chars}
        self._max_chars = bundle.max_chars
        self._files = {name: (bundle.directory / name).read_bytes() for name in (MANIFEST, *files)}
        # The default dictionary is part of a package, whose path differs between machines.
        self._dictionary = None if bundle.dictionary == DEFAULT_DICTIONARY else bundle.dictionary

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - the signature that Dask calls
        """Load the bundle, so that a worker that cannot load it fails before the work begins."""
        self.lock = Lock()
        _ = self.scorer

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer of the bundle. Raises ``BundleError`` if this worker would give other scores."""
        with tempfile.TemporaryDirectory() as directory:
            for name, content in self._files.items():
                Path(directory, name).write_bytes(content)
            dictionary = self._dictionary or DEFAULT_DICTIONARY
            loaded = load(Path(directory), dictionary=dictionary, max_chars=self._max_chars)
        if loaded.digest != self.facts["bundle"]:
            raise BundleError("the bundle was replaced while it was sent to the workers; run it again")
        return loaded.scorer


def keep_worker_memory() -> AbstractContextManager[object]:
    """Return a context in which new local clusters have workers that keep freed memory.

    By Dask's default they return it to the system at once and request it again for the next rows, which takes a fifth
    of their time. The workers of other clusters take this setting from their environment.
    """
    context: AbstractContextManager[object] = dask.config.set(
        {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
    )
    return context


def plan_files(
    client: Any, locations: Sequence[Location], output_format: OutputFormat, *, max_rows: int
) -> Iterator[tuple[Location, PartitionPlan | str]]:
    """Yield the partitions of each file, of at most ``max_rows`` rows, or the reason why it cannot be read.

    Raises ``ClusterError`` if the connection is lost.
    """
    for location, plan in _results(client, partial(_plan, output_format, max_rows), locations):
        yield location, _one_line(plan) if isinstance(plan, Exception) else plan


def score_tasks(client: Any, tasks: Sequence[ScoreTask], plugin: str) -> Iterator[tuple[ScoreTask, TaskResult]]:
    """Yield the result of each task as it is completed, by the plugin that is registered under the name ``plugin``.

    Raises ``ClusterError`` if the connection is lost.
    """
    for task, result in _results(client, partial(_score, plugin), tasks):
        yield task, TaskResult(error=_one_line(result)) if isinstance(result, Exception) else result


@contextmanager
def registered(client: Any, plugin: ScorerPlugin) -> Iterator[str]:
    """Yield the name under which ``plugin`` is registered on all workers, including workers that join later."""
    name = f"scorer-{uuid4().hex}"
    client.register_plugin(plugin, name=name)
    try:
        yield name
    finally:
        # A lost or a new worker lacks the plugin: that error must not hide the error that ended the block.
        with suppress(Exception):
            client.unregister_worker_plugin(name)


def _results(
    client: Any, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | Exception]]:
    items_by_future = {client.submit(function, item, pure=False, retries=_RETRIES): item for item in items}
    for future in as_completed(list(items_by_future)):
        if future.cancelled():
            raise ClusterError("the connection to the cluster was lost; run it again to continue")
        yield items_by_future.pop(future), future.exception() or future.result()


def _one_line(error: Exception) -> str:
    if isinstance(error, KilledWorker):
        return "each worker that tried it was lost, probably for lack of memory"
    return " ".join(str(error).split()) or repr(error)


def _plan(output_format: OutputFormat, max_rows: int, location: Location) -> PartitionPlan:
    """Plan the partitions of a file, on a worker."""
    job = plan_job(location, output_format, None)
    kind = job.source.kind
    # A file that is converted is not split: the columns of each partition would be those of its own first rows.
    split = max_rows if job.kind == kind else None
    return plan_partitions(location, kind=kind, codec=output_format.codec, max_rows=split)


def _score(plugin_name: str, task: ScoreTask) -> TaskResult:
    """Score a task on a worker, unless an earlier run completed it."""
    plugin: ScorerPlugin = get_worker().plugins[plugin_name]
    checkpoints, job, inputs = Checkpoints(task.folder), task.job, task.inputs(plugin.facts)
    if summary := checkpoints.load(job, inputs):
        return TaskResult(summary, skipped=True)
    try:
        with plugin.lock:
            summary = run_job(job, plugin.scorer, in_process(plugin.scorer), count=1, advance=lambda _: None)
    except FileError as error:
        if error.code == "file_unreadable":  # possibly a network error: Dask retries the task
            raise
        return TaskResult(error=str(error))
    checkpoints.save(job, inputs, summary)
    return TaskResult(summary)
