"""Minutes at 60% of what the service holds: nothing fails, nothing grows."""

import asyncio

from tools.chaos.clients import stress
from tools.chaos.instance import serving
from tools.chaos.probes import percentile, probing
from tools.chaos.scene import Scene
from tools.chaos.verdicts import Line, at_most, told

CORES = 1.0
LOAD = 0.6


async def soak(scene: Scene) -> dict[str, list[Line]]:
    """Two workers; the first tenth of the time is for them to reach their size."""
    async with serving(scene.bundle, log=scene.log("soak"), cores=CORES) as instance:
        held = await scene.capacity(instance)
        await asyncio.sleep(1)
        before = instance.descriptors()
        rate, seconds = LOAD * held.rate, round(60 * scene.minutes)
        async with probing(instance) as seen:
            report = await stress(instance.url, scene.folder, "--rate", f"{rate:.3f}", seconds=seconds)
        await asyncio.sleep(2)
        after = instance.descriptors()
    lost = report["offered"] - report["outcomes"]["ok"]
    kinds = {name: count for name, count in report["outcomes"].items() if count and name != "ok"}
    return {
        f"{scene.minutes:g} minutes at {LOAD:.0%}": [
            told("rate", report["rate"], "/s", note=f"{CORES:g} core held {held.rate:,.0f}/s"),
            told("p99", (report["latency_ms"] or {"p99": 0.0})["p99"], " ms"),
            at_most("not answered 200", lost, 0, note=", ".join(f"{name} × {n}" for name, n in kinds.items())),
            at_most("probes failed", len(seen.failures), 0),
            at_most("p99 of /healthz, /readyz", percentile(seen.latencies, 99), 500, " ms"),
            at_most("memory grew", seen.growth(), 5, "%", note=f"{seen.memory[-1] / 1e6:.0f} MB"),
            at_most("descriptors left over", after - before, 0, note=f"{max(seen.descriptors)} at most"),
        ]
    }
