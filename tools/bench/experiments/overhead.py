"""Overhead of metrics, logs and API keys: all of them on, compared with all off."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tools.bench.experiments.request_counting import counting_cost
from tools.bench.experiments.throughput import wrk
from tools.bench.figures import SERVICE, Row
from tools.bench.plan import Plan
from tools.bench.servers.processes import serving

CONNECTIONS = 10
KEYS = 10
GROUP = f"{CONNECTIONS} connections, telemetry"
ON, OFF, RATIO, COST, COUNTING, FAILED = (
    Row(GROUP, "server CPU per review: metrics, logs and keys on", "µs"),
    Row(GROUP, "server CPU per review: all of them off", "µs"),
    Row(GROUP, "metrics, logs and keys on : off", "×"),
    Row(GROUP, "metrics, logs and keys on − off", "µs"),
    Row(GROUP, "counting a request, in process", "µs"),
    Row(GROUP, "failed requests", ""),
)


@contextmanager
def overhead(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of the service: two servers, in turn."""
    keys = plan.scratch / "keys"
    secrets = [f"secret {number}" for number in range(KEYS)]
    keys.write_text("".join(f"key{each[-1]}:{hashlib.sha256(each.encode()).hexdigest()}\n" for each in secrets))
    headers = {"Authorization": f"Bearer {secrets[-1]}"}
    with (
        serving(SERVICE, plan, LOG="json", METRICS="on", API_KEYS_FILE=str(keys)) as on,
        serving(SERVICE, plan, LOG="off", METRICS="off") as off,
    ):

        def measure(_: str) -> Mapping[Row, float]:
            with_telemetry, without = (
                wrk(server, plan, connections=CONNECTIONS, seconds=plan.seconds, headers=headers)
                for server in (on, off)
            )
            return {
                ON: with_telemetry["cpu"],
                OFF: without["cpu"],
                RATIO: with_telemetry["cpu"] / without["cpu"],
                COST: with_telemetry["cpu"] - without["cpu"],
                COUNTING: counting_cost(),
                FAILED: with_telemetry["failed"] + without["failed"],
            }

        yield measure
