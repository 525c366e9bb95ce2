"""What a single review suffers from its neighbours: its p99 in quiet, and while lists of 1,000 keep arriving."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from tests.support.running import ROOT
from tools.bench.figures import OURS, Row
from tools.bench.plan import LIST, Plan, body
from tools.bench.servers import Server, ServerError, post, serving

RATE = 200
GROUP = f"single reviews at {RATE}/s"
QUIET, BESIDE, RATIO, LISTS, FAILED = (
    Row(GROUP, "p99 in quiet", "ms"),
    Row(GROUP, "p99 beside lists of 1,000", "ms"),
    Row(GROUP, "p99 beside lists : in quiet", "×"),
    Row(GROUP, "lists answered meanwhile", "/s"),
    Row(GROUP, "single reviews or lists that failed", ""),
)


@contextmanager
def neighbours(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on our side; the others take no lists."""
    corpus = plan.scratch / "texts.jsonl"
    corpus.write_text("".join(body(text) + "\n" for text in plan.texts), encoding="utf-8")
    starts = range(0, max(1, len(plan.texts) - LIST + 1), LIST)
    lists = [body(plan.texts[start : start + LIST]) for start in starts]
    with serving(OURS, plan) as server:

        def measure(_: str) -> Mapping[Row, float]:
            quiet, lost = single(server, corpus, plan.seconds)
            begun = time.monotonic()
            with arriving(server, lists) as answered:
                beside, failed = single(server, corpus, plan.seconds)
            rate = answered[200] / (time.monotonic() - begun)
            return {
                QUIET: quiet,
                BESIDE: beside,
                RATIO: beside / quiet,
                LISTS: rate,
                FAILED: lost + failed + answered[0],
            }

        yield measure


def single(server: Server, corpus: Path, seconds: int) -> tuple[float, int]:
    """Return the 99th percentile of latency in milliseconds, each from when a request was due, and how many failed."""
    tool = [sys.executable, str(ROOT / "stress" / "stress-testing.py"), server.url, "--no-kubernetes", "--quiet"]
    load = ["--rate", str(RATE), "--duration", f"{seconds}s", "--corpus", str(corpus), "--json", "-"]
    done = subprocess.run([*tool, *load], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"the stress tool: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if not report["latency_ms"]:
        raise ServerError(f"no single review was answered: {report['outcomes']}")
    return report["latency_ms"]["p99"], report["offered"] - report["outcomes"]["ok"]


@contextmanager
def arriving(server: Server, lists: Sequence[str]) -> Iterator[Counter[int]]:
    """Lists posted one right after another, each over a connection of its own.

    Yields how many were answered, under 200, and how many were not, under 0.
    """
    answered = Counter[int]()
    over = threading.Event()

    def send() -> None:
        for one in cycle(lists):
            if over.is_set():
                return
            try:
                post(server.port, one)
                answered[200] += 1
            except (OSError, ServerError):
                answered[0] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()
    if not answered[200]:
        raise ServerError("no list was answered")
