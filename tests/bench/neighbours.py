"""What a single review suffers from its neighbours: its p99 in quiet, and while lists of 1,000 keep arriving."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from figures import OURS, Row
from plan import LIST, Plan, body
from running import ROOT
from servers import Server, ServerError, post, serving

RATE = 200
GROUP = f"single reviews at {RATE}/s"
QUIET, BESIDE, RATIO, LISTS = (
    Row(GROUP, "p99 in quiet", "ms"),
    Row(GROUP, "p99 beside lists of 1,000", "ms"),
    Row(GROUP, "p99 beside lists : in quiet", "×"),
    Row(GROUP, "lists meanwhile", "/s"),
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
            quiet = p99(server, corpus, plan.seconds)
            begun = time.monotonic()
            with arriving(server, lists) as answered:
                beside = p99(server, corpus, plan.seconds)
            rate = len(answered) / (time.monotonic() - begun)
            return {QUIET: quiet, BESIDE: beside, RATIO: beside / quiet, LISTS: rate}

        yield measure


def p99(server: Server, corpus: Path, seconds: int) -> float:
    """Return the milliseconds that one request in a hundred takes longer than, counted from when it was due."""
    tool = [sys.executable, str(ROOT / "stress" / "stress-testing.py"), server.url, "--no-kubernetes", "--quiet"]
    load = ["--rate", str(RATE), "--duration", f"{seconds}s", "--corpus", str(corpus), "--json", "-"]
    done = subprocess.run([*tool, *load], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"the stress tool: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["outcomes"]["ok"] != report["offered"]:
        raise ServerError(f"not every single review was answered: {report['outcomes']}")
    return float(report["latency_ms"]["p99"])


@contextmanager
def arriving(server: Server, lists: Sequence[str]) -> Iterator[Sequence[int]]:
    """Lists posted one right after another, each over a connection of its own; yields the answers' lengths."""
    answered: list[int] = []
    over = threading.Event()

    def send() -> None:
        for one in cycle(lists):
            if over.is_set():
                return
            answered.append(len(post(server.port, one)))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()
    if not answered:
        raise ServerError("no list was answered")
