"""How training grows with its corpus: rows a second by step and the memory at its peak, by size and by machine.

    make bench-scale ARGS="--rows 10000 100000 1000000 --ways one two"

Reviews are made up by a seed. A run holds a part out instead of cross-validating. Memory is the sum over all processes
of what they hold, shared pages in parts (PSS); mapped files, which the system may drop, are told apart.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import synthetic

ROOT = Path(__file__).parents[2]
WAYS = {
    "one": (1, []),
    "two": (2, []),
    "dask-one": (1, ["--scheduler", "local"]),
    "dask-two": (2, ["--scheduler", "local"]),
}
"""Cores, and options of train.py; on a cluster each core is a worker of one thread."""
_QUICK_SECONDS = 60
_EVERY_SECONDS = 0.25


class Run(NamedTuple):
    """One training: seconds of each step and of all, and the peak in MB, with and without mapped files."""

    steps: dict[str, float]
    seconds: float
    peak: float
    peak_anonymous: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write ``--out``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-scale.json")
    options = parser.parse_args(arguments)
    results = {}
    for rows in options.rows:
        corpus = ROOT / "build" / f"synthetic-{rows}.csv.gz"
        if not corpus.exists():
            synthetic.write(corpus, rows, seed=1)
        for way in options.ways:
            run = results[f"{rows} {way}"] = measure(corpus, way)
            print(line(rows, way, run), flush=True)
    options.out.write_text(json.dumps({name: run._asdict() for name, run in results.items()}, indent=2) + "\n")
    return 0


def line(rows: int, way: str, run: Run) -> str:
    """Return one row of the table: Markdown."""
    steps = ", ".join(f"{step} {rows / max(seconds, 0.001):,.0f}" for step, seconds in run.steps.items())
    return f"| {rows:,} | {way} | {run.seconds:.0f} s | {run.peak:.0f} MB ({run.peak_anonymous:.0f}) | {steps} |"


def measure(corpus: Path, way: str) -> Run:
    """Return the median of three runs, by their seconds; the only one of a run that takes longer than a minute."""
    runs = [train(corpus, way)]
    if runs[0].seconds < _QUICK_SECONDS:
        runs += [train(corpus, way) for _ in range(2)]
    middle = median(run.seconds for run in runs)
    return next(run for run in runs if run.seconds == middle)


def train(corpus: Path, way: str) -> Run:
    """Train once on ``corpus``, on the cores that ``way`` says."""
    cores, options = WAYS[way]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    with tempfile.TemporaryDirectory() as directory:
        timings = Path(directory, "timings.json")
        command = [
            *(sys.executable, "train-corpus/train.py", "--corpus", str(corpus), "--bundle", f"{directory}/bundle"),
            *("--validation", "part", "--no-original", "--timings", str(timings), *options),
        ]
        begun = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),  # noqa: PLW1509 - no threads here
        ) as process:
            peak = anonymous = 0
            while process.poll() is None:
                held = [memory(pid) for pid in family(process.pid)]
                peak = max(peak, sum(each for each, _ in held))
                anonymous = max(anonymous, sum(each for _, each in held))
                time.sleep(_EVERY_SECONDS)
        seconds = time.monotonic() - begun
        if process.returncode:
            raise SystemExit(f"training ended with {process.returncode}: {' '.join(command)}")
        return Run(json.loads(timings.read_text()), seconds, peak / 1024, anonymous / 1024)


def family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in read(task / "children")]
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(child))]


def memory(pid: int) -> tuple[int, int]:
    """Return a process' share of memory in kB, with and without mapped files; 0 when it is gone."""
    try:
        words = read(Path(f"/proc/{pid}/smaps_rollup"))
        return int(words[words.index("Pss:") + 1]), int(words[words.index("Pss_Anon:") + 1])
    except (OSError, ValueError):
        return 0, 0


def read(path: Path) -> list[str]:
    """Return the words of a file of /proc."""
    return path.read_text().split()


if __name__ == "__main__":
    sys.exit(main())
