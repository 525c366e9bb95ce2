"""What it costs to be watched: metrics, logs and keys on, against all of them off."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tools.bench.counted import counting
from tools.bench.figures import OURS, Row
from tools.bench.plan import Plan
from tools.bench.servers import serving
from tools.bench.throughput import wrk

CONNECTIONS = 10
KEYS = 10
GROUP = f"{CONNECTIONS} connections, watched"
ON, OFF, RATIO, COST, COUNTING, FAILED = (
    Row(GROUP, "server CPU a review: metrics, logs and keys on", "µs"),
    Row(GROUP, "server CPU a review: all of them off", "µs"),
    Row(GROUP, "metrics, logs and keys on : off", "×"),
    Row(GROUP, "metrics, logs and keys on − off", "µs"),
    Row(GROUP, "counting a request, in process", "µs"),
    Row(GROUP, "failed requests", ""),
)


@contextmanager
def watching(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on our side: the two servers take turns within it."""
    keys = plan.scratch / "keys"
    secrets = [f"secret {number}" for number in range(KEYS)]
    keys.write_text("".join(f"key{each[-1]}:{hashlib.sha256(each.encode()).hexdigest()}\n" for each in secrets))
    headers = {"Authorization": f"Bearer {secrets[-1]}"}
    with (
        serving(OURS, plan, LOG="json", METRICS="on", API_KEYS_FILE=str(keys)) as on,
        serving(OURS, plan, LOG="off", METRICS="off") as off,
    ):

        def measure(_: str) -> Mapping[Row, float]:
            watched, alone = (
                wrk(server, plan, connections=CONNECTIONS, seconds=plan.seconds, headers=headers)
                for server in (on, off)
            )
            return {
                ON: watched["cpu"],
                OFF: alone["cpu"],
                RATIO: watched["cpu"] / alone["cpu"],
                COST: watched["cpu"] - alone["cpu"],
                COUNTING: counting(),
                FAILED: watched["failed"] + alone["failed"],
            }

        yield measure
