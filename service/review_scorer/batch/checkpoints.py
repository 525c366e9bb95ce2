"""What was finished before: beside the outputs stands of what each was made, so that it is not made again.

Under ``_parts/`` is a record for each output. What reads whole folders passes over names that begin like this.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from review_scorer.batch.jobs import Job, Tally
from review_scorer.batch.sinks import replaced
from review_scorer.corpora.places import files_at, name_of, size_of, within

_FOLDER = "_parts"


class Finished:
    """The records of a folder of outputs. It may be sent to other processes."""

    def __init__(self, folder: Path | str) -> None:
        self._outputs = folder
        self._records = within(folder, _FOLDER)

    def look_up(self, job: Job, made_of: Mapping[str, Any]) -> Tally | None:
        """Return what was counted when the job's outputs were made of just this; None where they are to be made."""
        record = self._read(_name(job))
        if record is None or record["made_of"] != made_of or record["outputs"] != _outputs(job):
            return None
        return Tally(**record["tally"])

    def keep(self, job: Job, made_of: Mapping[str, Any], tally: Tally) -> None:
        """Record of what the job's outputs were made."""
        record = {"made_of": made_of, "tally": tally._asdict(), "outputs": _outputs(job)}
        with replaced(within(self._records, _name(job))) as file:
            file.write(json.dumps(record).encode())

    def tidy(self, jobs: Collection[Job]) -> None:
        """Remove what earlier runs made of these jobs' sources in other parts, and what killed workers left half."""
        sources = {str(job.source.path) for job in jobs}
        names = {_name(job) for job in jobs}
        for name in _names_in(self._records) - names:
            record = self._read(name)
            if record and record["made_of"]["source"] in sources:
                for place in (
                    *(within(self._outputs, each) for each in record["outputs"]),
                    within(self._records, name),
                ):
                    _remove(place)
        whole = {output for job in jobs for output in _outputs(job)} | names
        for folder in (self._outputs, self._records):
            for name in _names_in(folder):
                if name.startswith(".") and name[1:].rpartition(".")[0] in whole:
                    _remove(within(folder, name))

    def _read(self, name: str) -> Any:
        files, path = files_at(within(self._records, name))
        try:
            return json.loads(files.cat_file(path))
        except (FileNotFoundError, ValueError):
            return None


def _name(job: Job) -> str:
    return f"{name_of(job.output or '')}.json"


def _outputs(job: Job) -> dict[str, int | None]:
    """Return the sizes of the job's outputs."""
    return {name_of(place): size_of(place) for place in (job.output, job.rejects) if place}


def _names_in(folder: Path | str) -> set[str]:
    files, path = files_at(folder)
    return {name_of(place) for place in files.ls(path, detail=False)} if files.exists(path) else set()


def _remove(place: Path | str) -> None:
    files, path = files_at(place)
    if files.exists(path):
        files.rm_file(path)
