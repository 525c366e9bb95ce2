"""Requests per second and latency at 10 and 100 connections, by wrk."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.bench.figures import Row
from tools.bench.plan import Plan
from tools.bench.servers.processes import HEADERS, Server, ServerError, all_serving

CONNECTIONS = (10, 100)
NO_HEADERS: Mapping[str, str] = {}
MISSING = "wrk is not installed: no requests/s (on Debian `apt-get install wrk`)"


def rows(connections: int) -> dict[str, Row]:
    """Return the rows for a number of connections."""
    group = f"{connections} connections"
    return {
        "rate": Row(group, "requests", "/s"),
        "p50": Row(group, "p50", "ms"),
        "p99": Row(group, "p99", "ms"),
        "cpu": Row(group, "server CPU per review", "µs"),
        "failed": Row(group, "failed requests", ""),
    }


def missing() -> str:
    """Return why this cannot be measured here, or an empty string."""
    return "" if shutil.which("wrk") else MISSING


@contextmanager
def throughput(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of one side."""
    with all_serving(plan) as servers:
        for server in servers.values():
            wrk(server, plan, connections=10, seconds=1)

        def measure(side: str) -> Mapping[Row, float]:
            measured: dict[Row, float] = {}
            for connections in CONNECTIONS:
                named = rows(connections)
                figures = wrk(servers[side], plan, connections=connections, seconds=plan.seconds)
                measured |= {named[name]: value for name, value in figures.items()}
            return measured

        yield measure


def wrk(
    server: Server, plan: Plan, *, connections: int, seconds: int, headers: Mapping[str, str] = NO_HEADERS
) -> dict[str, float]:
    """Return the figures of wrk and of the server's CPU clock for ``seconds`` of load."""
    load = [f"--connections={connections}", "--threads=1", f"--duration={seconds}s", "--timeout=10s"]
    load += [f"--header={name}: {value}" for name, value in {**HEADERS, **headers}.items()]
    command = ["wrk", *load, f"--script={Path(__file__).with_name('post.lua')}", server.url, "--", str(plan.bodies())]
    before = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = server.cpu() - before
    if done.returncode:
        raise ServerError(f"wrk: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    answered = result["requests"] - result["status"]
    return {
        "rate": answered / result["duration"] * 1e6,
        "p50": result["p50"] / 1000,
        "p99": result["p99"] / 1000,
        "cpu": spent / max(1, answered) * 1e6,
        "failed": result["refused"] + result["status"] + result["timeout"] + result["cut"],
    }
