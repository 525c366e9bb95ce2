"""Measures how training and scoring scale: rows per second of each step and peak memory, by number of rows.

    make bench-scaling ARGS="--rows 10000 100000 1000000 --ways one two --only score"

The reviews are synthetic, in files of equal size, so that all configurations have the same partitions. Training holds
a part out instead of cross-validating; scoring uses one bundle for all sizes. The result of a run shorter than a minute
is the median of three.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tools.bench.scaling import process_tree, scaling_page, synthetic
from tools.bench.scaling.process_tree import Cost

ROOT = Path(__file__).parents[3]
WAYS = {
    "one": (1, []),
    "two": (2, []),
    "dask-one": (2, ["--scheduler", "local", "--workers", "1"]),
    "dask-two": (2, ["--scheduler", "local", "--workers", "2"]),
}
"""Number of cores and options. A Dask worker has one thread; its client uses the other core."""
KINDS = ("train", "score")
FILES = 20
"""The minimum number of files of a corpus, so that two workers can share it evenly."""
_FILE = 20_000
_QUICK_SECONDS = 60


class Run(NamedTuple):
    """One training or scoring run: its cost, and the seconds of each step."""

    rows: int
    way: str
    kind: str
    cost: Cost
    steps: dict[str, float]

    def record(self) -> dict[str, Any]:
        """Return the run as a record of the report."""
        pace = {step: round(self.rows / max(seconds, 0.001)) for step, seconds in self.steps.items()}
        facts = {"rows": self.rows, "way": self.way, "kind": self.kind}
        return {**facts, **self.cost._asdict(), "steps": self.steps, "rows_a_second": pace}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write ``--out`` and an HTML page of the same name."""
    options = parse(arguments)
    runs: list[Run] = []
    for rows in options.rows:
        files = corpus(rows)
        for kind in options.only:
            for way in options.ways:
                runs.append(measure(kind, way, files, rows, options.bundle))
                print(line(runs[-1]), flush=True)
            print(*speedups([run for run in runs if (run.rows, run.kind) == (rows, kind)]), sep="\n", flush=True)
    records = merged(options.out, [run.record() for run in runs])
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine, "runs": records}, indent=2) + "\n", encoding="utf-8")
    options.out.with_suffix(".html").write_text(scaling_page.page(records), encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--bundle", type=Path, default=ROOT / "build" / "bundle", help="the bundle to score with")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build" / "bench-scale.json",
        help="report to write; its records of other sizes and ways are kept",
    )
    return parser.parse_args(arguments)


def corpus(rows: int) -> list[str]:
    """Return the files of ``rows`` synthetic reviews; missing ones are written."""
    count = max(FILES, rows // _FILE)
    folder = ROOT / "build" / f"synthetic-{rows}"
    files = [folder / f"{number:03}.csv" for number in range(count)]
    for number, file in enumerate(files):
        if not file.exists():
            partial = file.with_suffix(".partial")
            synthetic.write(partial, rows // count + (number < rows % count), seed=1_000 + number)
            partial.rename(file)
    return [str(file) for file in files]


def measure(kind: str, way: str, files: Sequence[str], rows: int, bundle: Path) -> Run:
    """Return the median of three runs by duration, or the only run if it takes longer than a minute."""
    runs = [once(kind, way, files, rows, bundle)]
    if runs[0].cost.seconds < _QUICK_SECONDS:
        runs += [once(kind, way, files, rows, bundle) for _ in range(2)]
    middle = median(run.cost.seconds for run in runs)
    return next(run for run in runs if run.cost.seconds == middle)


def once(kind: str, way: str, files: Sequence[str], rows: int, bundle: Path) -> Run:
    """Train on the files or score them, on the cores of ``way``."""
    cores, options = WAYS[way]
    with tempfile.TemporaryDirectory() as directory:
        timings = Path(directory, "timings.json")
        if kind == "train":
            shard = str(-(-rows // len(files)))
            command = [
                "train-corpus/train.py",
                "--corpus",
                *files,
                "--bundle",
                f"{directory}/bundle",
            ]
            command += ["--validation", "part", "--shard-size", shard]
        else:
            command = [
                "-m",
                "review_scorer.batch.score",
                *files,
                "--out",
                f"{directory}/out",
                "--bundle",
                str(bundle.absolute()),
            ]
            command += [] if options else ["--workers", str(cores)]
        command = [sys.executable, *command, *options, "--timings", str(timings)]
        cost = process_tree.run(command, cwd=ROOT, cores=cores)
        return Run(rows, way, kind, cost, json.loads(timings.read_text()))


def line(run: Run) -> str:
    """Return one row of the Markdown table."""
    pace = ", ".join(f"{step} {rate:,}" for step, rate in run.record()["rows_a_second"].items())
    peak = f"{run.cost.peak:.0f} MB ({run.cost.peak_anonymous:.0f})"
    return f"| {run.kind} | {run.rows:,} | {run.way} | {run.cost.seconds:.1f} s | {peak} | {pace} |"


def speedups(runs: Sequence[Run]) -> list[str]:
    """Return the speed-up of two workers over one for each step that both have."""
    steps = {run.way: run.steps for run in runs}
    return [
        f"{two} / {one}: "
        + ", ".join(f"{step} {steps[one][step] / max(steps[two][step], 0.001):.2f}" for step in found)
        for one, two in (("one", "two"), ("dask-one", "dask-two"))
        if (found := [step for step in steps.get(one, {}) if step in steps.get(two, {})])
    ]


def merged(out: Path, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of an earlier report that are not measured again, then ``records``."""
    new = {_key(record) for record in records}
    old = json.loads(out.read_text(encoding="utf-8"))["runs"] if out.exists() else []
    return [*(record for record in old if _key(record) not in new), *records]


def _key(record: dict[str, Any]) -> tuple[int, str, str]:
    return record["rows"], record["way"], record["kind"]


if __name__ == "__main__":
    sys.exit(main())
