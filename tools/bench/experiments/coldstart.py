"""Seconds from the start of a side's server to its first response with status 200."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tools.bench.figures import SIDES, Row
from tools.bench.plan import Plan
from tools.bench.servers.processes import start

SECONDS = Row("cold start", "start to first response", "s")


@contextmanager
def coldstart(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of one side."""

    def measure(side: str) -> Mapping[Row, float]:
        started = time.monotonic()
        server = start(side, plan)
        try:
            server.wait(plan.first)
            return {SECONDS: time.monotonic() - started}
        finally:
            server.stop()

    # The very first start fills the page cache.
    for side in SIDES:
        measure(side)
    yield measure
