"""Memory of the servers at start and after work, as the kernel counts it.

PSS counts a page that n processes share as 1/n of a page, so the sum over all processes is their total.
USS is the memory that only this process uses.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tools.bench.figures import SERVICE, Row
from tools.bench.plan import Plan, body
from tools.bench.servers.processes import RefusedError, Server, post, serving

START, WORKED = "memory at start", "memory after work"
WORKERS = 4


def rows(when: str) -> dict[str, Row]:
    """Return the rows of a point in time."""
    return {
        "first": Row(when, "first worker, PSS", "MB"),
        "master": Row(when, "first worker and its master, PSS", "MB"),
        "further": Row(when, "each further worker, USS", "MB"),
    }


@contextmanager
def memory(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of one side. The baselines have a single process."""

    def measure(side: str) -> Mapping[Row, float]:
        measured: dict[Row, float] = {}
        for workers in (1, WORKERS) if side == SERVICE else (1,):
            with serving(side, plan, workers=workers) as server:
                measured |= measure_processes(START, server)
                work(server, plan, lists=side == SERVICE)
                measured |= measure_processes(WORKED, server)
        return measured

    yield measure


def measure_processes(when: str, server: Server) -> Mapping[Row, float]:
    """Return the memory now: of the first worker if it is the only one, else the mean of the further workers."""
    named, workers = rows(when), server.workers()
    if len(workers) > 1:
        further = [uss(pid) for pid in workers[1:]]
        return {named["further"]: sum(further) / len(further)}
    processes = [pss(pid) for pid in (server.pid, *workers)]
    return {named["first"]: processes[-1], named["master"]: sum(processes)}


def work(server: Server, plan: Plan, *, lists: bool) -> None:
    """Let every worker score single reviews and, if ``lists``, lists of 1,000."""
    texts = plan.sample
    bodies = [body(text) for text in texts] + [body(texts)] * (8 * WORKERS if lists else 0)
    with ThreadPoolExecutor(2 * WORKERS) as senders:
        for _ in senders.map(lambda one: _post_until_accepted(server.port, one), bodies):
            pass


def _post_until_accepted(port: int, one: str) -> None:
    while True:
        try:
            post(port, one)
        except RefusedError:
            time.sleep(0.01)
        else:
            return


def pss(pid: int) -> float:
    """Return the PSS of a process in MB."""
    return _rollup(pid)["Pss"]


def uss(pid: int) -> float:
    """Return the USS of a process in MB."""
    pages = _rollup(pid)
    return pages["Private_Clean"] + pages["Private_Dirty"]


def _rollup(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)}
