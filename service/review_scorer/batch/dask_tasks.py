"""The tasks of a cluster's workers and their results."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from review_scorer import __version__
from review_scorer.batch.jobs import FileJob, FileSummary, OutputFormat, plan_job
from review_scorer.batch.partitions import Partition
from review_scorer.corpora.locations import Location


class ScoreTask(NamedTuple):
    """A file or a partition of it to be scored to ``folder``; ``digest`` is the SHA-256 of the file."""

    location: Location
    partition: Partition | None
    digest: str
    output_format: OutputFormat
    folder: Location

    def __str__(self) -> str:
        if not self.partition:
            return str(self.location)
        number, total, before, rows = self.partition[:4]
        return f"{self.location}, part {number} of {total} (rows {before + 1:,} to {before + rows:,})"

    @property
    def job(self) -> FileJob:
        """The job of the task."""
        return plan_job(self.location, self.output_format, self.folder, partition=self.partition)

    def inputs(self, scorer_facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return everything that the outputs depend on; ``scorer_facts`` identify the scorer."""
        return {
            "source": str(self.location),
            "digest": self.digest,
            "partition": list(self.partition) if self.partition else None,
            "format": asdict(self.output_format),
            **scorer_facts,
            "version": __version__,
        }


class TaskResult(NamedTuple):
    """The result of a task; ``skipped`` if an earlier run completed it, ``error`` if it failed."""

    summary: FileSummary = FileSummary(0, 0)
    skipped: bool = False
    error: str = ""
