"""Overload at two and three times the capacity, in an open loop: the service must keep its goodput and shed the rest.

Goodput is lower than capacity, since a refusal costs CPU too: with s CPU seconds per answer, d per refusal and a load
of k times the capacity, a share of (s - kd)/(s - d) of the capacity is left for answers. Both costs are measured in
closed loops: s with few connections that are never refused, d with so many that nearly all requests are.
"""

from dataclasses import dataclass

from tools.chaos.checks import Check, at_least, at_most, info
from tools.chaos.clients import Report, between, stress, wrk
from tools.chaos.context import Context
from tools.chaos.instance import Instance, serving
from tools.chaos.probes import Probes, percentile, probing

CORES = 0.25
# Load before and after the burst, as a share of the capacity.
NORMAL = 0.4
MANY_CONNECTIONS = 512
# The kernel checks a quota once per tick, every 4 ms on most machines, and throttles a process that used it up for
# three more ticks. A few of these decide the p99 under normal load.
THROTTLED_MS = 12


@dataclass(frozen=True, kw_only=True)
class Costs:
    """``capacity`` in answers per second; ``answer`` and ``refusal`` in CPU seconds."""

    capacity: float
    answer: float
    refusal: float

    def bound(self, times: float) -> float:
        """Return the share of the capacity left for answers at ``times`` the capacity."""
        if times <= 1:
            return times
        return max(0.0, (self.answer - times * self.refusal) / (self.answer - self.refusal))


@dataclass(frozen=True, kw_only=True)
class Unloaded:
    """Figures of a closed loop without refusals: rate, CPU seconds per answer, used share of the quota."""

    rate: float
    answer: float
    used: float
    refused: int


async def overload(context: Context) -> dict[str, list[Check]]:
    """Test one worker on a quarter of a core; its capacity is measured before and after each burst."""
    async with serving(context.bundle, log=context.log("overload"), cores=CORES, settings={"WORKERS": 1}) as instance:
        await _measure_unloaded(context, instance, seconds=2)  # warm up a new worker
        before = await _measure_unloaded(context, instance, seconds=context.seconds(10, 5))
        refusal, lines = await _refusal(context, instance, before)
        found = {"capacity": [*_capacity(before), *lines]}
        for times in (2, 3):
            report, probes, during = await _burst(
                context, instance, rate=times * before.rate, base=NORMAL * before.rate
            )
            after = await _measure_unloaded(context, instance, seconds=context.seconds(10, 5))
            costs = _mean(before, after, refusal)
            found[f"{times} times the capacity"] = [
                info("capacity before and after", costs.capacity, "/s", note=f"{before.rate:.0f}, {after.rate:.0f}"),
                *_offered(report, during, costs),
                *_goodput(report, during, costs),
                *_answers(report, during),
                *_normal(report, during),
                *_health(probes),
            ]
            before = after
    return found


async def _measure_unloaded(context: Context, instance: Instance, *, seconds: int) -> Unloaded:
    """Run a closed loop with too few connections to be refused."""
    before = instance.cpu()
    report = await stress(instance.url, context.folder, "--connections", "12", seconds=seconds)
    used, answers = instance.cpu() - before, report["outcomes"]["ok"]
    share = used / report["seconds"] / CORES
    return Unloaded(rate=report["rate"], answer=used / answers, used=share, refused=report["offered"] - answers)


async def _refusal(context: Context, instance: Instance, calm: Unloaded) -> tuple[float, list[Check]]:
    """Return the CPU seconds of a refusal, measured with so many connections that nearly all requests are refused."""
    before = instance.cpu()
    crowd = await wrk(instance.url, context.reviews, connections=MANY_CONNECTIONS, seconds=context.seconds(6, 4))
    refusal = (instance.cpu() - before - crowd.answers * calm.answer) / max(1, crowd.refused)
    return refusal, [
        info(
            "CPU per refusal (d)", refusal * 1e6, " µs", note=f"{crowd.refused:,} refused, {crowd.answers:,} answered"
        ),
        at_least("share refused", 100 * crowd.refused / max(1, crowd.requests), 50, "%"),
    ]


def _mean(before: Unloaded, after: Unloaded, refusal: float) -> Costs:
    return Costs(capacity=(before.rate + after.rate) / 2, answer=(before.answer + after.answer) / 2, refusal=refusal)


async def _burst(
    context: Context, instance: Instance, *, rate: float, base: float
) -> tuple[Report, Probes, tuple[int, int]]:
    """Return the report of the stress tool, the probes, and the first and last second of the burst."""
    calm, spike = context.seconds(10, 6), context.seconds(30, 8)
    shape = ("--profile", "spike", "--calm", f"{calm}", "--base", f"{base:.3f}", "--rate", f"{rate:.3f}")
    async with probing(instance) as probes:
        report = await stress(instance.url, context.folder, *shape, "--timeout", "5s", seconds=spike + 2 * calm)
    return report, probes, (calm, calm + spike)


def _capacity(calm: Unloaded) -> list[Check]:
    return [
        info("capacity", calm.rate, "/s", note=f"{CORES:g} cores"),
        at_least("used share of the quota", 100 * calm.used, 90, "%"),
        at_most("refused", calm.refused, 0),
        info("CPU per answer (s)", calm.answer * 1e6, " µs"),
    ]


def _offered(report: Report, during: tuple[int, int], costs: Costs) -> list[Check]:
    rate = report["arrival_rate"]
    achieved = between(report, *during).sent / (during[1] - during[0])
    limited = "; ".join(report["sender"]["why"]) or "the sender kept up"
    return [
        info("offered", rate, "/s", note=f"{rate / costs.capacity:.2f} times"),
        at_least("sent", achieved, 0.97 * rate, "/s", note=limited),
        at_most("never sent", report["unsent"], 0),
    ]


def _goodput(report: Report, during: tuple[int, int], costs: Costs) -> list[Check]:
    tally, seconds = between(report, *during), during[1] - during[0]
    share = tally.answered / seconds / costs.capacity
    bound = costs.bound(tally.sent / seconds / costs.capacity)
    return [
        info("goodput", tally.answered / seconds, "/s", note=f"{share:.0%} of capacity"),
        at_least(
            "goodput, share of the bound", 100 * share / bound if bound else None, 90, "%", note=f"bound {bound:.0%}"
        ),
    ]


def _answers(report: Report, during: tuple[int, int]) -> list[Check]:
    outcomes = report["outcomes"]
    shed = between(report, *during).to_json()["shed_latency_ms"]
    return [
        at_most("p99 of accepted", between(report, *during).percentile(99), 100, " ms"),
        at_most("p99 of 503 with Retry-After", shed and shed["p99"], 100, " ms", note=f"{outcomes['shed']:,}"),
        at_most("other answers", outcomes["http_error"] + outcomes["invalid"], 0),
        at_most("resets", outcomes["reset"] + outcomes["refused"], 0),
        at_most("time-outs", outcomes["timeout"], 0),
    ]


def _normal(report: Report, during: tuple[int, int]) -> list[Check]:
    """Compare the latency from one second after the burst with that before it."""
    before = between(report, 1, during[0]).percentile(99)
    after = between(report, during[1] + 1, report["seconds"])
    note = f"{before or 0:.3g} ms before, {after.outcomes[1]} refused"
    return [
        at_most(
            "p99 from 1 s after the burst", after.percentile(99), 2 * (before or 0) + THROTTLED_MS, " ms", note=note
        )
    ]


def _health(probes: Probes) -> list[Check]:
    what = ", ".join(sorted(set(probes.failures)))
    count = f"{len(probes.latencies):,} probes"
    return [
        at_most("p99 of /healthz, /readyz", percentile(probes.latencies, 99), 500, " ms", note=count),
        at_most("probes failed", len(probes.failures), 0, note=what),
        at_most("memory grew", probes.growth(skip=0.3), 2, "%"),
    ]
