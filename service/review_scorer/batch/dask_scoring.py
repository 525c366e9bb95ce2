"""Files scored by the workers of a Dask cluster, a part at a time each.

Workers need this code and reach the files; the bundle is sent to them. A part whose worker is lost, or that fails, is
tried again elsewhere; what was finished in an earlier run stays as it is.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from review_scorer.batch.checkpoints import Finished
from review_scorer.batch.dask_tasks import Answer, Task
from review_scorer.batch.jobs import Form, job, run
from review_scorer.batch.partitions import Survey, survey
from review_scorer.batch.pool import here
from review_scorer.compute.dask_client import WITHOUT_DASK, ClusterError
from review_scorer.scoring.bundle import MANIFEST, Bundle, load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.tables.errors import FileError

try:
    import dask
    from distributed import WorkerPlugin, as_completed, get_worker
    from distributed.scheduler import KilledWorker
except ImportError:
    raise ClusterError(WITHOUT_DASK) from None

_RETRIES = 2

Item = TypeVar("Item")
Found = TypeVar("Found")


class Scoring(WorkerPlugin):  # type: ignore[misc]
    """What each worker has of a bundle: its files, and what they make. Threads take turns."""

    def __init__(self, bundle: Bundle, directory: Path, *, dictionary: Path | None, max_chars: int) -> None:
        self.facts = {"bundle": bundle.digest, "max_chars": max_chars}
        self._max_chars = max_chars
        self._files = {name: (directory / name).read_bytes() for name in (MANIFEST, *bundle.manifest["files"])}
        self._dictionary = dictionary

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - that is how Dask calls it
        """Load the bundle, so that a worker that cannot is known before the work."""
        self.turn = Lock()
        _ = self.scorer

    @cached_property
    def scorer(self) -> Scorer:
        """The bundle's scorer; raises ``BundleError`` where this worker would score differently."""
        with tempfile.TemporaryDirectory() as directory:
            for name, content in self._files.items():
                Path(directory, name).write_bytes(content)
            # The dictionary that comes with a package is elsewhere on each machine.
            dictionary = self._dictionary or DEFAULT_DICTIONARY
            loaded = load(Path(directory), dictionary=dictionary, max_chars=self._max_chars)
        if loaded.digest != self.facts["bundle"]:
            raise BundleError("the bundle was replaced while it was sent to the workers; start again")
        return loaded.scorer


def keeping_memory() -> AbstractContextManager[object]:
    """Return what is held while a cluster is made of this machine: its workers keep the memory that they had.

    By Dask's default they give it back at once, and would ask for the same again with the next rows, which costs a
    fifth of their time. Clusters made elsewhere have it from the environment of their workers.
    """
    kept: AbstractContextManager[object] = dask.config.set(
        {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
    )
    return kept


def look_through(
    client: Any, paths: Sequence[Path | str], form: Form, *, rows: int
) -> Iterator[tuple[Path | str, Survey | str]]:
    """Yield what is in each file, or why it cannot be read; large ones are cut into parts of at most ``rows`` rows.

    Raises ``ClusterError`` when the connection is lost.
    """
    for path, found in _each(client, partial(_survey, form, rows), paths):
        yield path, _line(found) if isinstance(found, Exception) else found


def score(client: Any, tasks: Sequence[Task], scoring: str) -> Iterator[tuple[Task, Answer]]:
    """Yield what came of each task as it is finished; ``scoring`` was ``sent``. Raises as ``look_through`` does."""
    for task, answer in _each(client, partial(_score, scoring), tasks):
        yield task, Answer(error=_line(answer)) if isinstance(answer, Exception) else answer


@contextmanager
def sent(client: Any, scoring: Scoring) -> Iterator[str]:
    """Give the name under which all workers have ``scoring``, those too that come later."""
    name = f"scoring-{uuid4().hex}"
    client.register_plugin(scoring, name=name)
    try:
        yield name
    finally:
        # A worker that is gone, or begins just now, has it no more: that must not hide what went wrong.
        with suppress(Exception):
            client.unregister_worker_plugin(name)


def _each(
    client: Any, function: Callable[[Item], Found], items: Sequence[Item]
) -> Iterator[tuple[Item, Found | Exception]]:
    asked = {client.submit(function, item, pure=False, retries=_RETRIES): item for item in items}
    for future in as_completed(list(asked)):
        if future.cancelled():
            raise ClusterError("the connection to the cluster was lost; run it again for what is missing")
        yield asked.pop(future), future.exception() or future.result()


def _line(error: Exception) -> str:
    if isinstance(error, KilledWorker):
        return "each worker that tried it was lost; has it memory enough?"
    return " ".join(str(error).split()) or repr(error)


def _survey(form: Form, rows: int, path: Path | str) -> Survey:
    """In a worker: look through a file."""
    whole = job(path, form, None)
    kind = whole.source.kind
    # The columns of another kind would be those of each part's first rows.
    return survey(path, kind=kind, codec=form.codec, rows=rows if whole.kind == kind else None)


def _score(name: str, task: Task) -> Answer:
    """In a worker: score a part, unless that was done."""
    scoring: Scoring = get_worker().plugins[name]
    finished, work, made_of = Finished(task.folder), task.job, task.made_of(scoring.facts)
    if done := finished.look_up(work, made_of):
        return Answer(done, before=True)
    try:
        with scoring.turn:
            tally = run(work, scoring.scorer, here(scoring.scorer), count=1, advance=lambda _: None)
    except FileError as error:
        if error.code == "file_unreadable":  # the network, perhaps: worth another try
            raise
        return Answer(error=str(error))
    finished.keep(work, made_of, tally)
    return Answer(tally)
