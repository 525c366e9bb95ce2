"""Soak test at 60% of the capacity: no failures, no growth of memory or descriptors."""

import asyncio

from tools.chaos.checks import Check, at_most, info
from tools.chaos.clients import stress
from tools.chaos.context import Context
from tools.chaos.instance import serving
from tools.chaos.probes import percentile, probing

CORES = 1.0
LOAD = 0.6


async def soak(context: Context) -> dict[str, list[Check]]:
    """Run two workers; growth is measured after the first tenth of the time."""
    async with serving(context.bundle, log=context.log("soak"), cores=CORES) as instance:
        measured = await context.capacity(instance)
        await asyncio.sleep(1)
        before = instance.descriptors()
        rate, seconds = LOAD * measured.rate, round(60 * context.minutes)
        async with probing(instance) as probes:
            report = await stress(instance.url, context.folder, "--rate", f"{rate:.3f}", seconds=seconds)
        await asyncio.sleep(2)
        after = instance.descriptors()
    lost = report["offered"] - report["outcomes"]["ok"]
    kinds = {name: count for name, count in report["outcomes"].items() if count and name != "ok"}
    return {
        f"{context.minutes:g} minutes at {LOAD:.0%}": [
            info("rate", report["rate"], "/s", note=f"{CORES:g} core handles {measured.rate:,.0f}/s"),
            info("p99", (report["latency_ms"] or {"p99": 0.0})["p99"], " ms"),
            at_most("not answered 200", lost, 0, note=", ".join(f"{name} × {n}" for name, n in kinds.items())),
            at_most("probes failed", len(probes.failures), 0),
            at_most("p99 of /healthz, /readyz", percentile(probes.latencies, 99), 500, " ms"),
            at_most("memory grew", probes.growth(), 5, "%", note=f"{probes.memory[-1] / 1e6:.0f} MB"),
            at_most("descriptors leaked", after - before, 0, note=f"{max(probes.descriptors)} at most"),
        ]
    }
