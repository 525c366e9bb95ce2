"""Load generators: the stress tool for open loops, wrk for closed loops."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from review_stress.load.texts import EMBEDDED, bodies, read_texts
from review_stress.measurement.window_stats import WindowStats
from tests.support.running import ROOT

PATH = "/api/1/users"
# Upper bound of the time that the sender processes take to start and stop.
_OVERHEAD_SECONDS = 30
Report = Mapping[str, Any]


class ClientError(Exception):
    """A load generator failed; the message is its output."""


@dataclass(frozen=True, kw_only=True)
class ClosedLoop:
    """Counts of wrk: all responses, those other than 200 (``refused``), and broken or timed-out connections."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p99_ms: float

    @property
    def answers(self) -> int:
        """The number of responses with status 200."""
        return self.requests - self.refused

    @property
    def rate(self) -> float:
        """Responses with status 200 per second."""
        return self.answers / self.seconds


def write_bodies(path: Path) -> Path:
    """Write the seed corpus as request bodies, one in each line, in the order of the stress tool."""
    path.write_text("\n".join(bodies(read_texts(EMBEDDED))), encoding="utf-8")
    return path


async def wrk(url: str, reviews: Path, *, connections: int, seconds: int) -> ClosedLoop:
    """Keep ``connections`` connections busy with wrk."""
    script = str(Path(__file__).with_name("reviews.lua"))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url + PATH, "--", str(reviews)]
    output = await _run(command, seconds=seconds)
    return ClosedLoop(**json.loads(output.splitlines()[-1]))


async def stress(url: str, folder: Path, *options: str, seconds: float) -> Report:
    """Run the stress tool; return its report."""
    path = folder / "stress.json"
    path.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "stress" / "stress-testing.py"), url + PATH, "--no-kubernetes", "--quiet"]
    command += ["--duration", f"{seconds:g}", "--json", str(path), *options]
    output = await _run(command, seconds=seconds)
    if not path.exists():
        raise ClientError(f"the stress tool wrote no report: {output}")
    found: Report = json.loads(path.read_text(encoding="utf-8"))
    return found


def between(report: Report, start: float, end: float) -> WindowStats:
    """Return the sum of the windows of a report from ``start`` to ``end``."""
    total = WindowStats()
    for row in report["timeline"]:
        if start <= row["t"] and row["t"] + report["window"] <= end:
            total.add(WindowStats.from_json(row))
    return total


async def _run(command: list[str], *, seconds: float) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds + _OVERHEAD_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ClientError(f"{command[0]} ended with {process.returncode}: {output.decode()}")
    return output.decode()
