"""Seven hundred connections that never get on, beside clients that do."""

from tools.chaos.clients import between, stress
from tools.chaos.instance import Instance, serving
from tools.chaos.laggards import laggards
from tools.chaos.scene import Scene
from tools.chaos.verdicts import Line, at_most, told

RATE = 200
SIZES = {"silent": 250, "idle": 250, "dripping head": 100, "dripping body": 100}
# Short ones, so that many of them pass in the time.
DEADLINES = {"READ_HEADER_TIMEOUT": 4, "READ_BODY_TIMEOUT": 5, "KEEPALIVE_SECONDS": 6}
_BOUND_BY = {
    "silent": "READ_HEADER_TIMEOUT",
    "idle": "KEEPALIVE_SECONDS",
    "dripping head": "READ_HEADER_TIMEOUT",
    "dripping body": "READ_BODY_TIMEOUT",
}
# A timer that looks once a second closes up to that much later.
LEEWAY = 2.0


async def slow(scene: Scene) -> dict[str, list[Line]]:
    """Two workers, without a bound on their CPU: what is measured is what the slow ones do to the others."""
    async with serving(scene.bundle, log=scene.log("slow"), settings=DEADLINES) as instance:
        await _p99(scene, instance, seconds=4)
        quiet = await _p99(scene, instance, seconds=scene.seconds(20, 8))
        async with laggards(instance.port, SIZES) as lives:
            there = lives.count
            beside = await _p99(scene, instance, seconds=scene.seconds(20, 10))
            oldest = {kind: lives.oldest(kind) for kind in SIZES}
    closed = {kind: f"{len(lives.closed[kind]):,} closed" for kind in SIZES}
    return {
        "slow clients": [
            told("slow connections", there, note="opened again when closed"),
            *(_quick("quiet", quiet)),
            *(_quick("beside the slow", beside)),
            at_most("p99 beside the slow", beside[0], 2 * (quiet[0] or 0), " ms", note=f"{quiet[0]} ms quiet"),
            *(
                at_most(f"{kind}: oldest", oldest[kind], DEADLINES[name] + LEEWAY, " s", note=closed[kind])
                for kind, name in _BOUND_BY.items()
            ),
            at_most("slow ones not let in", lives.failed, 0),
        ]
    }


def _quick(what: str, found: tuple[float | None, int, int]) -> list[Line]:
    return [at_most(f"not answered 200, {what}", found[1], 0, note=f"of {found[2]:,}")]


async def _p99(scene: Scene, instance: Instance, *, seconds: int) -> tuple[float | None, int, int]:
    """Return the p99 of normal clients in milliseconds, how many were not answered 200, and how many there were."""
    report = await stress(instance.url, scene.folder, "--rate", str(RATE), seconds=seconds)
    tally = between(report, 0, seconds)
    return tally.percentile(99), report["offered"] - report["outcomes"]["ok"], report["offered"]
