"""How fast the service is, beside the obvious way of serving such a model and beside our model in obvious code.

    python tools/bench/bench.py --bundle build/bundle --corpus train-corpus/reviews.csv

Every round measures each side in turn, so that what else the machine does disturbs all of them alike. Of what is
measured, ``stages`` is CPU in process, ``http`` throughput under wrk, ``watching`` what metrics, logs and keys cost
``callers`` the original's 10 processes, ``neighbours`` single reviews beside lists; ``coldstart``, ``memory`` and
``sizes`` are what they say. The exit status is 0 when all was measured, 1 when a part could not be, 2 when nothing
could, 130 after Ctrl-C.
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
from tools.bench.callers import callers
from tools.bench.children import ChildError
from tools.bench.coldstart import coldstart
from tools.bench.facts import Elsewhere, facts
from tools.bench.figures import OURS, SIDES, Figures, Row
from tools.bench.memory import memory
from tools.bench.neighbours import neighbours
from tools.bench.plan import Plan, draw
from tools.bench.profiling import profile
from tools.bench.servers import ServerError
from tools.bench.show import show
from tools.bench.sides import train_obvious
from tools.bench.sizes import InstallError, sizes
from tools.bench.stages import stages
from tools.bench.targets import judge
from tools.bench.throughput import missing, throughput
from tools.bench.watching import watching

EMBEDDED = ROOT / "train-corpus" / "reviews.csv"
REPEAT, SECONDS = 5, 4
QUICK_REPEAT, QUICK_SECONDS = 2, 1
# What others may take of the cores without a word about it.
DISTURBED = 0.05


class Experiment(NamedTuple):
    """What a context manager sets up and then measures, round after round, on each of the sides."""

    what: str
    open: Callable[[Plan], AbstractContextManager[Callable[[str], Mapping[Row, float]]]]
    sides: Sequence[str] = SIDES
    most: int = 1_000
    missing: Callable[[], str] = lambda: ""


# First what fails at once if it fails. Sizes and memory hardly differ from round to round.
EXPERIMENTS = {
    "sizes": Experiment("installed sizes", sizes, (OURS,), most=1),
    "stages": Experiment("CPU in process", stages),
    "http": Experiment("throughput", throughput, missing=missing),
    "watching": Experiment("metrics, logs and keys", watching, (OURS,), missing=missing),
    "callers": Experiment("1,000 reviews by 10 processes", callers),
    "neighbours": Experiment("single reviews beside lists", neighbours, (OURS,)),
    "coldstart": Experiment("cold start", coldstart),
    "memory": Experiment("memory", memory, most=2),
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, default=Path("build/bundle"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--corpus", type=Path, default=EMBEDDED, metavar="F", help="texts (default: the embedded ones)")
    parser.add_argument(
        "--obvious",
        type=Path,
        default=Path("build/obvious"),
        metavar="DIR",
        help="model of the obvious way; trained once",
    )
    parser.add_argument("--only", type=_names, default=list(EXPERIMENTS), metavar="A,B", help=", ".join(EXPERIMENTS))
    parser.add_argument("--repeat", type=int, metavar="N", help=f"rounds (default: {REPEAT})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEAT} rounds, each as short as can be")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="F", help="default: %(default)s")
    parser.add_argument("--profile", action="store_true", help="instead say where our server's time goes")
    options = parser.parse_args(given)
    options.repeat = options.repeat or (QUICK_REPEAT if options.quick else REPEAT)
    if options.repeat < 1:
        parser.error("--repeat takes a number of at least 1")
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(EXPERIMENTS)}")
    return names


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = arguments(given)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 150  # a log has no width of its own
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            plan = Plan(
                bundle=options.bundle,
                obvious=options.obvious,
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
    """Measure what is asked for and return the report."""
    begun, figures = time.monotonic(), Figures()
    notes: list[str] = []
    failed: list[str] = []
    told, elsewhere = facts(plan, options.corpus), Elsewhere()
    if not (plan.obvious / "lightgbm.txt").exists():
        console.print("training the obvious way's model, once")
        train_obvious(EMBEDDED, plan.obvious)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        for name in options.only:
            if reason := EXPERIMENTS[name].missing():
                notes.append(reason)
                continue
            try:
                measure(EXPERIMENTS[name], plan, figures, options.repeat, progress)
            except (ChildError, InstallError, ServerError) as error:  # what the others gave is worth having
                failed.append(name)
                notes.append(f"{name} failed: {error}")
    if (others := elsewhere.share()) > DISTURBED:
        notes.append(f"other processes, or other machines on the same cores, took {others:.0%} of them meanwhile")
    return {
        **told,
        "options": {"only": options.only, "repeat": options.repeat, "seconds": plan.seconds},
        "took": round(time.monotonic() - begun, 1),
        "others": round(others, 3),
        "notes": notes,
        "failed": failed,
        "rows": figures.as_json(),
        "targets": judge(figures),
    }


def measure(experiment: Experiment, plan: Plan, figures: Figures, repeat: int, progress: Progress) -> None:
    """Take all rounds of one experiment, the sides in turn."""
    rounds = min(repeat, experiment.most)
    task = progress.add_task(f"{experiment.what}: setting up", total=None)
    with experiment.open(plan) as measured:
        for number in range(1, rounds + 1):
            for side in experiment.sides:
                progress.update(task, description=f"{experiment.what}: round {number} of {rounds}, {side}")
                figures.add(side, measured(side))
    progress.remove_task(task)


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report in one step: readers find the old one or the new one."""
    with atomic_write_text(path) as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
