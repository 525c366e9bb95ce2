"""What servers hold in memory after some work, by the kernel's own count.

PSS counts a page that n processes share as a page / n, so the PSS of all processes add up to what they take together;
USS is what would be free if the process ended.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tools.bench.figures import OURS, Row
from tools.bench.plan import Plan, body
from tools.bench.servers import RefusedError, Server, post, serving

START, WORKED = "memory at start", "memory after work"
WORKERS = 4


def rows(when: str) -> dict[str, Row]:
    """Return the rows of a moment."""
    return {
        "first": Row(when, "first worker, PSS", "MB"),
        "master": Row(when, "first worker and its master, PSS", "MB"),
        "further": Row(when, "each further worker, USS", "MB"),
    }


@contextmanager
def memory(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on one side. The obvious ways have one process, which is master and worker."""

    def measure(side: str) -> Mapping[Row, float]:
        measured: dict[Row, float] = {}
        for workers in (1, WORKERS) if side == OURS else (1,):
            with serving(side, plan, workers=workers) as server:
                measured |= taken(START, server)
                work(server, plan, lists=side == OURS)
                measured |= taken(WORKED, server)
        return measured

    yield measure


def taken(when: str, server: Server) -> Mapping[Row, float]:
    """Return what the processes take now: the first worker where it is the only one, else the further ones."""
    said, workers = rows(when), server.workers()
    if len(workers) > 1:
        further = [uss(pid) for pid in workers[1:]]
        return {said["further"]: sum(further) / len(further)}
    processes = [pss(pid) for pid in (server.pid, *workers)]
    return {said["first"]: processes[-1], said["master"]: sum(processes)}


def work(server: Server, plan: Plan, *, lists: bool) -> None:
    """Have every worker score single reviews, and lists of 1,000 where it takes them."""
    texts = plan.sample
    bodies = [body(text) for text in texts] + [body(texts)] * (8 * WORKERS if lists else 0)
    with ThreadPoolExecutor(2 * WORKERS) as senders:
        for _ in senders.map(lambda one: _insist(server.port, one), bodies):
            pass


def _insist(port: int, one: str) -> None:
    while True:
        try:
            post(port, one)
        except RefusedError:
            time.sleep(0.01)
        else:
            return


def pss(pid: int) -> float:
    """Return a process's PSS in MB."""
    return _rollup(pid)["Pss"]


def uss(pid: int) -> float:
    """Return a process's USS in MB."""
    pages = _rollup(pid)
    return pages["Private_Clean"] + pages["Private_Dirty"]


def _rollup(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)}
