"""The command line's other half: the same files, scored by a Dask cluster in parts."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from review_scorer.batch.checkpoints import Finished
from review_scorer.batch.dask_scoring import Scoring, keeping_memory, look_through, score, sent
from review_scorer.batch.dask_tasks import Answer, Task
from review_scorer.batch.jobs import Form, Job, Tally
from review_scorer.batch.partitions import Survey
from review_scorer.batch.progress import complain, progress, summary, took
from review_scorer.compute.dask_client import connect
from review_scorer.scoring.bundle import Bundle
from review_scorer.settings import Settings

Item = TypeVar("Item")
Found = TypeVar("Found")


def score_on_cluster(
    jobs: Sequence[Job], options: argparse.Namespace, settings: Settings, bundle: Bundle, seconds: dict[str, float]
) -> list[str]:
    """Score files on the cluster that the options name; return the lines that were told of what failed.

    The other parts of a file that fails are kept. ``seconds`` are taken of each step. Raises ``ClusterError``.
    """
    if not jobs:
        return []
    form, out = jobs[0].form, _absolute(options.out)
    paths = [_absolute(job.source.path) for job in jobs]
    with (
        keeping_memory(),
        connect(options.scheduler, workers=options.workers, patience=options.patience) as client,
    ):
        scoring = Scoring(bundle, options.bundle, dictionary=settings.dictionary, max_chars=settings.max_chars)
        with sent(client, scoring) as name:
            with took(seconds, "look through"), progress("look through", total=len(paths), unit=" files") as advance:
                found = _told(look_through(client, paths, form, rows=options.part), advance)
            tasks = {path: _tasks(path, found[path], form, out) for path in paths}
            every = [task for path in paths for task in tasks[path]]
            with took(seconds, "score"), progress("score", total=len(every), unit=" parts") as advance:
                answers = _told(score(client, every, name), advance)
    failed = [complain(path, error) for path, error in found.items() if isinstance(error, str)]
    whole: list[Task] = []
    for path in paths:
        told = _report(tasks[path], answers)
        failed += told
        whole += [] if told else tasks[path]
    Finished(out).tidy([task.job for task in whole])
    return failed


def _told(found: Iterable[tuple[Item, Found]], advance: Callable[[int], object]) -> dict[Item, Found]:
    """Collect what comes, and tell of each."""
    collected = {}
    for item, answer in found:
        collected[item] = answer
        advance(1)
    return collected


def _tasks(path: Path | str, survey: Survey | str, form: Form, out: Path | str) -> list[Task]:
    if isinstance(survey, str):
        return []
    return [Task(path, part, survey.digest, form, out) for part in survey.parts or (None,)]


def _report(tasks: Sequence[Task], answers: Mapping[Task, Answer]) -> list[str]:
    """Tell what came of a file, of which these are all tasks; return the lines that say what failed."""
    failed = [complain(task, answers[task].error) for task in tasks if answers[task].error]
    done = [answers[task] for task in tasks if not answers[task].error]
    if done:
        tally = Tally(*map(sum, zip(*(answer.tally for answer in done), strict=True)))
        print(_summary(tasks, tally, done), file=sys.stderr)
    return failed


def _summary(tasks: Sequence[Task], tally: Tally, done: Sequence[Answer]) -> str:
    before = sum(answer.before for answer in done)
    if not tasks[0].part:
        return summary(tasks[0].job, tally) + (", as before" if before else "")
    rejected = f", {tally.rejected:,} without a score" if tally.rejected else ""
    parts = f"{len(done)} of {len(tasks)} parts" + (f", {before} of them before" if before else "")
    return f"{tasks[0].path}: {tally.rows:,} rows{rejected}, in {parts} -> {tasks[0].folder}"


def _absolute(place: Path | str) -> Path | str:
    """Return the place by a name that holds on other machines as well."""
    return place.absolute() if isinstance(place, Path) else place
