"""Latency of normal clients beside 700 slow connections."""

from tools.chaos.checks import Check, at_most, info
from tools.chaos.clients import between, stress
from tools.chaos.context import Context
from tools.chaos.instance import Instance, serving
from tools.chaos.slow_clients import slow_clients

RATE = 200
SIZES = {"silent": 250, "idle": 250, "slow header": 100, "slow body": 100}
# Short, so that many connections reach them during the test.
DEADLINES = {"READ_HEADER_TIMEOUT": 4, "READ_BODY_TIMEOUT": 5, "KEEPALIVE_SECONDS": 6}
_BOUND_BY = {
    "silent": "READ_HEADER_TIMEOUT",
    "idle": "KEEPALIVE_SECONDS",
    "slow header": "READ_HEADER_TIMEOUT",
    "slow body": "READ_BODY_TIMEOUT",
}
# Timers run once per second, so a connection may close that much later.
LEEWAY = 2.0


async def slow(context: Context) -> dict[str, list[Check]]:
    """Compare the latency of normal clients with and without slow ones; two workers, no CPU quota."""
    async with serving(context.bundle, log=context.log("slow"), settings=DEADLINES) as instance:
        await _p99(context, instance, seconds=4)
        alone = await _p99(context, instance, seconds=context.seconds(20, 8))
        async with slow_clients(instance.port, SIZES) as lifetimes:
            connected = lifetimes.count
            beside = await _p99(context, instance, seconds=context.seconds(20, 10))
            oldest = {kind: lifetimes.oldest(kind) for kind in SIZES}
    closed = {kind: f"{len(lifetimes.closed[kind]):,} closed" for kind in SIZES}
    return {
        "slow clients": [
            info("slow connections", connected, note="reopened when closed"),
            *(_all_answered("alone", alone)),
            *(_all_answered("beside slow clients", beside)),
            at_most("p99 beside slow clients", beside[0], 2 * (alone[0] or 0), " ms", note=f"{alone[0]} ms alone"),
            *(
                at_most(f"{kind}: longest lifetime", oldest[kind], DEADLINES[name] + LEEWAY, " s", note=closed[kind])
                for kind, name in _BOUND_BY.items()
            ),
            at_most("slow connections refused", lifetimes.failed, 0),
        ]
    }


def _all_answered(what: str, found: tuple[float | None, int, int]) -> list[Check]:
    return [at_most(f"not answered 200, {what}", found[1], 0, note=f"of {found[2]:,}")]


async def _p99(context: Context, instance: Instance, *, seconds: int) -> tuple[float | None, int, int]:
    """Return the p99 of normal clients in ms, the number of responses other than 200, and the number of requests."""
    report = await stress(instance.url, context.folder, "--rate", str(RATE), seconds=seconds)
    tally = between(report, 0, seconds)
    return tally.percentile(99), report["offered"] - report["outcomes"]["ok"], report["offered"]
