"""Compares the service with the baseline server, and with straightforward code for the service's own model.

    python -m tools.bench.bench --bundle build/bundle --corpus train-corpus/reviews.csv

Every round measures each side in turn, so that other load on the machine affects all sides alike. Experiments:
``stages`` (CPU in process), ``http`` (throughput under wrk), ``overhead`` (metrics, logs and API keys), ``clients``
(10 client processes, as in the original), ``mixed_load`` (single reviews beside lists), ``coldstart``, ``memory`` and
``sizes``. The exit status is 0 if all experiments ran, 1 if one failed, 2 if none could run, 130 after Ctrl-C.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring.atomic_write import atomic_write_text
from review_scorer.scoring.errors import BundleError
from tests.support.running import ROOT
from tools.bench.experiments.clients import clients
from tools.bench.experiments.coldstart import coldstart
from tools.bench.experiments.memory import memory
from tools.bench.experiments.mixed_load import mixed_load
from tools.bench.experiments.overhead import overhead
from tools.bench.experiments.profiling import profile
from tools.bench.experiments.sizes import InstallError, sizes
from tools.bench.experiments.stages import stages
from tools.bench.experiments.throughput import missing, throughput
from tools.bench.facts import OtherLoad, facts
from tools.bench.figures import SERVICE, SIDES, Figures, Row
from tools.bench.plan import Plan, draw
from tools.bench.servers.child import ChildError
from tools.bench.servers.processes import ServerError
from tools.bench.servers.sides import train_baseline
from tools.bench.show import show
from tools.bench.targets import judge

SEED_CORPUS = ROOT / "train-corpus" / "reviews.csv"
REPEAT, SECONDS = 5, 4
QUICK_REPEAT, QUICK_SECONDS = 2, 1
# The share of the cores that other processes may use before the report notes it.
DISTURBED = 0.05


class Experiment(NamedTuple):
    """A context manager that sets up servers and yields a function that measures one round of one side."""

    what: str
    open: Callable[[Plan], AbstractContextManager[Callable[[str], Mapping[Row, float]]]]
    sides: Sequence[str] = SIDES
    most: int = 1_000
    missing: Callable[[], str] = lambda: ""


# The experiments that fail early come first. Sizes and memory hardly vary between rounds.
EXPERIMENTS = {
    "sizes": Experiment("installed sizes", sizes, (SERVICE,), most=1),
    "stages": Experiment("CPU in process", stages),
    "http": Experiment("throughput", throughput, missing=missing),
    "overhead": Experiment("metrics, logs and API keys", overhead, (SERVICE,), missing=missing),
    "clients": Experiment("1,000 reviews from 10 client processes", clients),
    "mixed_load": Experiment("single reviews beside lists", mixed_load, (SERVICE,)),
    "coldstart": Experiment("cold start", coldstart),
    "memory": Experiment("memory", memory, most=2),
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, default=Path("build/bundle"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--corpus", type=Path, default=SEED_CORPUS, metavar="F", help="texts (default: the seed corpus)"
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        default=Path("build/baseline"),
        metavar="DIR",
        help="model of the baseline; trained if missing",
    )
    parser.add_argument("--only", type=_names, default=list(EXPERIMENTS), metavar="A,B", help=", ".join(EXPERIMENTS))
    parser.add_argument("--repeat", type=int, metavar="N", help=f"rounds (default: {REPEAT})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEAT} short rounds")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="F", help="default: %(default)s")
    parser.add_argument("--profile", action="store_true", help="profile the service with py-spy instead")
    options = parser.parse_args(given)
    options.repeat = options.repeat or (QUICK_REPEAT if options.quick else REPEAT)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(EXPERIMENTS)}")
    return names


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = arguments(given)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 150  # output to a file or pipe
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            plan = Plan(
                bundle=options.bundle,
                baseline=options.baseline,
                texts=draw(options.corpus),
                seconds=QUICK_SECONDS if options.quick else SECONDS,
                scratch=Path(scratch),
                build=options.json.parent,
            )
            if options.profile:
                profile(console, plan)
                return 0
            report = run(console, plan, options)
    except (BundleError, CorpusError, ServerError) as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    show(console, report)
    write(options.json, report)
    console.print(f"written to {options.json}")
    return 1 if report["failed"] else 0


def run(console: Console, plan: Plan, options: argparse.Namespace) -> dict[str, Any]:
    """Run the selected experiments; return the report."""
    started, figures = time.monotonic(), Figures()
    notes: list[str] = []
    failed: list[str] = []
    about, other_load = facts(plan, options.corpus), OtherLoad()
    if not (plan.baseline / "lightgbm.txt").exists():
        console.print("training the baseline's model")
        train_baseline(SEED_CORPUS, plan.baseline)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        for name in options.only:
            if reason := EXPERIMENTS[name].missing():
                notes.append(reason)
                continue
            try:
                measure(EXPERIMENTS[name], plan, figures, options.repeat, progress)
            except (ChildError, InstallError, ServerError) as error:  # the other experiments are still worth running
                failed.append(name)
                notes.append(f"{name} failed: {error}")
    if (others := other_load.share()) > DISTURBED:
        notes.append(f"other processes or virtual machines used {others:.0%} of the cores during the run")
    return {
        **about,
        "options": {"only": options.only, "repeat": options.repeat, "seconds": plan.seconds},
        "took": round(time.monotonic() - started, 1),
        "others": round(others, 3),
        "notes": notes,
        "failed": failed,
        "rows": figures.as_json(),
        "targets": judge(figures),
    }


def measure(experiment: Experiment, plan: Plan, figures: Figures, repeat: int, progress: Progress) -> None:
    """Run all rounds of one experiment, the sides in turn."""
    rounds = min(repeat, experiment.most)
    task = progress.add_task(f"{experiment.what}: setting up", total=None)
    with experiment.open(plan) as measured:
        for number in range(1, rounds + 1):
            for side in experiment.sides:
                progress.update(task, description=f"{experiment.what}: round {number} of {rounds}, {side}")
                figures.add(side, measured(side))
    progress.remove_task(task)


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report atomically."""
    with atomic_write_text(path) as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
