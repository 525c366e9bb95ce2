"""Seconds from starting a side's server to its first answer with status 200."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tools.bench.figures import SIDES, Row
from tools.bench.plan import Plan
from tools.bench.servers import start

SECONDS = Row("cold start", "start to first answer", "s")


@contextmanager
def coldstart(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on one side."""

    def measure(side: str) -> Mapping[Row, float]:
        begun = time.monotonic()
        server = start(side, plan)
        try:
            server.wait(plan.first)
            return {SECONDS: time.monotonic() - begun}
        finally:
            server.stop()

    # The first start of all reads files that every later one finds in memory.
    for side in SIDES:
        measure(side)
    yield measure
