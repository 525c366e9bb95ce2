"""Checkpoints: a record beside each output says what it was made from, so a rerun can skip it.

The records are in the folder ``_checkpoints``. Readers of whole folders skip names that begin with an underscore.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from review_scorer.batch.jobs import FileJob, FileSummary
from review_scorer.batch.sinks import atomic_output
from review_scorer.corpora.locations import Location

_FOLDER = "_checkpoints"


class Checkpoints:
    """The checkpoints of a folder of outputs. It can be pickled."""

    def __init__(self, folder: Location) -> None:
        self._outputs = folder
        self._records = folder / _FOLDER

    def load(self, job: FileJob, inputs: Mapping[str, Any]) -> FileSummary | None:
        """Return the summary of the job if its outputs exist and were made from ``inputs``, else None."""
        record = self._read(_record_name(job))
        if record is None or record["inputs"] != inputs or record["outputs"] != _output_sizes(job):
            return None
        return FileSummary(**record["summary"])

    def save(self, job: FileJob, inputs: Mapping[str, Any], summary: FileSummary) -> None:
        """Record that the outputs of the job were made from ``inputs``."""
        record = {"inputs": inputs, "summary": summary._asdict(), "outputs": _output_sizes(job)}
        with atomic_output(self._records / _record_name(job)) as file:
            file.write(json.dumps(record).encode())

    def remove_stale(self, jobs: Collection[FileJob]) -> None:
        """Delete the outputs of earlier runs with other partitions, and the temporary files of killed workers."""
        sources = {str(job.source.location) for job in jobs}
        names = {_record_name(job) for job in jobs}
        for name in _file_names(self._records) - names:
            # The temporary file of a killed worker may hold a complete record of current outputs.
            record = None if name.startswith(".") else self._read(name)
            if record and record["inputs"]["source"] in sources:
                for stale in (*(self._outputs / output for output in record["outputs"]), self._records / name):
                    stale.unlink(missing_ok=True)
        current = {output for job in jobs for output in _output_sizes(job)} | names
        for folder in (self._outputs, self._records):
            for name in _file_names(folder):
                if name.startswith(".") and name[1:].rpartition(".")[0] in current:
                    (folder / name).unlink(missing_ok=True)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self._records / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None


def _record_name(job: FileJob) -> str:
    return f"{job.output.name if job.output else ''}.json"


def _output_sizes(job: FileJob) -> dict[str, int | None]:
    """Return the size of each output in bytes; None if it does not exist."""
    outputs = [output for output in (job.output, job.rejects) if output]
    return {output.name: output.stat().st_size if output.exists() else None for output in outputs}


def _file_names(folder: Location) -> set[str]:
    return {place.name for place in folder.iterdir()} if folder.exists() else set()
