"""Latency of single reviews (p99), alone and beside lists of 1,000."""

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
from tools.bench.figures import SERVICE, Row
from tools.bench.plan import LIST, Plan, body
from tools.bench.servers.processes import Server, ServerError, post, serving

RATE = 200
GROUP = f"single reviews at {RATE}/s"
ALONE, BESIDE, RATIO, LISTS, FAILED = (
    Row(GROUP, "p99 alone", "ms"),
    Row(GROUP, "p99 beside lists of 1,000", "ms"),
    Row(GROUP, "p99 beside lists : alone", "×"),
    Row(GROUP, "lists answered", "/s"),
    Row(GROUP, "single reviews or lists that failed", ""),
)


@contextmanager
def mixed_load(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of the service; the baselines take no lists."""
    corpus = plan.scratch / "texts.jsonl"
    corpus.write_text("".join(body(text) + "\n" for text in plan.texts), encoding="utf-8")
    starts = range(0, max(1, len(plan.texts) - LIST + 1), LIST)
    lists = [body(plan.texts[start : start + LIST]) for start in starts]
    with serving(SERVICE, plan) as server:

        def measure(_: str) -> Mapping[Row, float]:
            alone, lost = single(server, corpus, plan.seconds)
            started = time.monotonic()
            with sending_lists(server, lists) as answered:
                beside, failed = single(server, corpus, plan.seconds)
            rate = answered[200] / (time.monotonic() - started)
            return {
                ALONE: alone,
                BESIDE: beside,
                RATIO: beside / alone,
                LISTS: rate,
                FAILED: lost + failed + answered[0],
            }

        yield measure


def single(server: Server, corpus: Path, seconds: int) -> tuple[float, int]:
    """Return the p99 of latency in ms, counted from the time a request was due, and the number of failures."""
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
def sending_lists(server: Server, lists: Sequence[str]) -> Iterator[Counter[int]]:
    """Post lists back to back during the block, each on its own connection.

    Yields a counter: ``200`` for answered lists, ``0`` for failed ones.
    """
    answered = Counter[int]()
    stopped = threading.Event()

    def send() -> None:
        for one in cycle(lists):
            if stopped.is_set():
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
        stopped.set()
        thread.join()
    if not answered[200]:
        raise ServerError("no list was answered")
