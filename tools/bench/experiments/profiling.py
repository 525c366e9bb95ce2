"""Profile of a worker under single reviews on 10 connections, by py-spy."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.bench.experiments.throughput import missing, wrk
from tools.bench.figures import SERVICE
from tools.bench.plan import Plan
from tools.bench.servers.processes import ServerError, serving

SHOWN = 30
_LINE = re.compile(r":\d+(?=\)$)")


def profile(console: Console, plan: Plan) -> None:
    """Print the functions, in Python and C, that take most of a worker's time. Raises ``ServerError``."""
    if reason := missing():
        raise ServerError(reason)
    tool = Path(sys.executable).with_name("py-spy")
    if not tool.exists():
        raise ServerError(f"{tool} is missing; install requirements/development.txt")
    samples = plan.scratch / "samples.txt"
    with serving(SERVICE, plan, workers=1) as server:
        command = [str(tool), "record", "--pid", str(server.workers()[0]), "--native", "--rate", "500"]
        more = ["--format", "raw", "--duration", str(plan.seconds), "--output", str(samples)]
        profiler = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wrk(server, plan, connections=10, seconds=plan.seconds + 1)
        _, errors = profiler.communicate(timeout=60)
    if profiler.returncode:
        raise ServerError(f"py-spy: {errors.strip()}")
    console.print(_table(samples))


def _table(samples: Path) -> Table:
    top, within = count(samples.read_text().splitlines())
    total = sum(top.values())
    table = Table("function", title=f"shares of {total:,} samples of one worker", title_justify="left")
    table.add_column("self", justify="right")
    table.add_column("with callees", justify="right")
    for name, number in top.most_common(SHOWN):
        table.add_row(name, f"{number / total:.1%}", f"{within[name] / total:.1%}")
    return table


def count(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each function was at the top of stacks like ``a;b;c 7``, and how often anywhere in them."""
    top, within = Counter[str](), Counter[str]()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = [_LINE.sub("", frame) for frame in stack.split(";")]
        top[frames[-1]] += int(number)
        for frame in set(frames):
            within[frame] += int(number)
    return top, within
