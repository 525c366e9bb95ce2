"""What a cluster's worker is given at a time, and what it answers."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from review_scorer import __version__
from review_scorer.batch.jobs import Form, Job, Tally, job
from review_scorer.batch.partitions import Part


class Task(NamedTuple):
    """A file or a part of it to be scored, into ``folder``; ``digest`` is that of the file's content."""

    path: Path | str
    part: Part | None
    digest: str
    form: Form
    folder: Path | str

    def __str__(self) -> str:
        if not self.part:
            return str(self.path)
        number, of, before, rows = self.part[:4]
        return f"{self.path}, part {number} of {of} (rows {before + 1:,} to {before + rows:,})"

    @property
    def job(self) -> Job:
        """What is to be done."""
        return job(self.path, self.form, self.folder, part=self.part)

    def made_of(self, scoring: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all that the outputs depend on; ``scoring`` are the facts of what scores."""
        part = list(self.part) if self.part else None
        facts = {"source": str(self.path), "digest": self.digest, "part": part, "form": asdict(self.form)}
        return {**facts, **scoring, "version": __version__}


class Answer(NamedTuple):
    """What came of a task; ``before`` says that it had been done, ``error`` why it cannot be."""

    tally: Tally = Tally(0, 0)
    before: bool = False
    error: str = ""
