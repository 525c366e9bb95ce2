"""Where our server's time goes while single reviews come in over 10 connections, by py-spy."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.bench.figures import OURS
from tools.bench.plan import Plan
from tools.bench.servers import ServerError, serving
from tools.bench.throughput import missing, wrk

SHOWN = 30
_LINE = re.compile(r":\d+(?=\)$)")


def profile(console: Console, plan: Plan) -> None:
    """Print the functions that take most of one worker's time, C functions among them. Raises ``ServerError``."""
    if reason := missing():
        raise ServerError(reason)
    tool = Path(sys.executable).with_name("py-spy")
    if not tool.exists():
        raise ServerError(f"{tool} is missing; install requirements/development.txt")
    samples = plan.scratch / "samples.txt"
    with serving(OURS, plan, workers=1) as server:
        command = [str(tool), "record", "--pid", str(server.workers()[0]), "--native", "--rate", "500"]
        more = ["--format", "raw", "--duration", str(plan.seconds), "--output", str(samples)]
        watching = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wrk(server, plan, connections=10, seconds=plan.seconds + 1)
        _, complaint = watching.communicate(timeout=60)
    if watching.returncode:
        raise ServerError(f"py-spy: {complaint.strip()}")
    console.print(_table(samples))


def _table(samples: Path) -> Table:
    alone, within = count(samples.read_text().splitlines())
    total = sum(alone.values())
    table = Table("function", title=f"shares of {total:,} samples of one worker", title_justify="left")
    table.add_column("alone", justify="right")
    table.add_column("with what it calls", justify="right")
    for name, number in alone.most_common(SHOWN):
        table.add_row(name, f"{number / total:.1%}", f"{within[name] / total:.1%}")
    return table


def count(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each function was at the top, and how often anywhere, of stacks like ``a;b;c 7``."""
    alone, within = Counter[str](), Counter[str]()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = [_LINE.sub("", frame) for frame in stack.split(";")]
        alone[frames[-1]] += int(number)
        for frame in set(frames):
            within[frame] += int(number)
    return alone, within
