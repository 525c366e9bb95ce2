"""Two and three times what the service holds, in an open loop: it serves what it can, and says no to the rest.

What it can serve is less than its capacity, as saying no costs too: with s seconds of CPU an answer, d a refusal and k
times the capacity offered, a share of (s - kd)/(s - d) of the capacity is left for answers. Both are measured here, in
two closed loops before: one that is never refused, and one of so many connections that nearly all are.
"""

from dataclasses import dataclass

from clients import Report, between, stress, wrk
from instance import Instance, serving
from probes import Probes, percentile, probing
from quota import quota
from scene import Scene
from verdicts import Line, at_least, at_most, told

CORES = 0.25
# Of the capacity, before and after: what the service does on a normal day.
NORMAL = 0.4
CROWD = 512


@dataclass(frozen=True, kw_only=True)
class Costs:
    """``capacity`` in answers a second; ``answer`` and ``refusal`` in seconds of CPU."""

    capacity: float
    answer: float
    refusal: float

    def bound(self, times: float) -> float:
        """The share of the capacity that is left for answers when ``times`` as much is offered."""
        if times <= 1:
            return times
        return max(0.0, (self.answer - times * self.refusal) / (self.answer - self.refusal))


async def overload(scene: Scene) -> dict[str, list[Line]]:
    """One worker on a quarter of a core."""
    with quota(CORES) as small:
        async with serving(scene.bundle, log=scene.log("overload"), small=small, settings={"WORKERS": 1}) as instance:
            costs, lines = await _measure(scene, instance)
            found = {"what it holds": lines}
            for times in (2, 3):
                found[f"{times} times that"] = await _burst(scene, instance, costs, times)
    return found


async def _measure(scene: Scene, instance: Instance) -> tuple[Costs, list[Line]]:
    """Return the costs; every new worker is slower in its first second, which is not measured."""
    await wrk(instance.url, scene.reviews, connections=8, seconds=2)
    before = instance.cpu()
    calm = await scene.capacity(instance)
    used = instance.cpu() - before
    answer = used / calm.answers
    before = instance.cpu()
    crowd = await wrk(instance.url, scene.reviews, connections=CROWD, seconds=scene.seconds(6, 4))
    refusal = (instance.cpu() - before - crowd.answers * answer) / max(1, crowd.refused)
    lines = [
        told("capacity", calm.rate, "/s", note=f"{CORES:g} cores, p99 {calm.p99_ms:.0f} ms"),
        at_least("CPU used of its quota", 100 * used / calm.seconds / CORES, 95, "%"),
        at_most("refused of those", calm.refused, 0),
        told("CPU an answer (s)", answer * 1e6, " µs"),
        told("CPU a refusal (d)", refusal * 1e6, " µs", note=f"{crowd.refused:,} refused, {crowd.answers:,} answered"),
        at_least("refused in the crowd, of all", 100 * crowd.refused / crowd.requests, 50, "%"),
    ]
    return Costs(capacity=calm.rate, answer=answer, refusal=refusal), lines


async def _burst(scene: Scene, instance: Instance, costs: Costs, times: float) -> list[Line]:
    calm, spike = scene.seconds(10, 6), scene.seconds(30, 8)
    base = f"{NORMAL * costs.capacity:.3f}"
    options = ("--profile", "spike", "--calm", f"{calm}", "--base", base, "--timeout", "5s")
    rate = times * costs.capacity
    async with probing(instance) as seen:
        report = await stress(instance.url, scene.folder, rate=rate, seconds=spike + 2 * calm, options=options)
    during = (calm, calm + spike)
    return [
        *_offered(report, during, rate),
        *_goodput(report, during, costs),
        *_answers(report, during),
        *_normal(report, during),
        *_well(seen),
    ]


def _offered(report: Report, during: tuple[int, int], rate: float) -> list[Line]:
    achieved = between(report, *during).sent / (during[1] - during[0])
    limited = "; ".join(report["sender"]["why"]) or "the sender kept up"
    return [
        told("offered", rate, "/s"),
        at_least("sent", achieved, 0.97 * rate, "/s", note=limited),
        at_most("never sent", report["unsent"], 0),
    ]


def _goodput(report: Report, during: tuple[int, int], costs: Costs) -> list[Line]:
    tally, seconds = between(report, *during), during[1] - during[0]
    share = tally.answered / seconds / costs.capacity
    bound = costs.bound(tally.sent / seconds / costs.capacity)
    return [
        told("goodput", tally.answered / seconds, "/s", note=f"{share:.0%} of capacity"),
        at_least("goodput of the bound", 100 * share / bound if bound else None, 90, "%", note=f"bound {bound:.0%}"),
    ]


def _answers(report: Report, during: tuple[int, int]) -> list[Line]:
    outcomes = report["outcomes"]
    shed = between(report, *during).to_json()["shed_latency_ms"]
    return [
        at_most("p99 of accepted", between(report, *during).percentile(99), 100, " ms"),
        at_most("p99 of 503 with Retry-After", shed and shed["p99"], 100, " ms", note=f"{outcomes['shed']:,}"),
        at_most("other answers", outcomes["status"] + outcomes["wrong"], 0),
        at_most("resets", outcomes["reset"] + outcomes["refused"], 0),
        at_most("time-outs", outcomes["timeout"], 0),
    ]


def _normal(report: Report, during: tuple[int, int]) -> list[Line]:
    """What was due a second after the end and later, beside what was due before it began."""
    quiet = between(report, 1, during[0]).percentile(99)
    after = between(report, during[1] + 1, report["seconds"])
    note = f"{quiet or 0:.3g} ms before, {after.outcomes[1]} refused"
    return [at_most("p99 from 1 s after", after.percentile(99), 2 * (quiet or 0), " ms", note=note)]


def _well(seen: Probes) -> list[Line]:
    what = ", ".join(sorted(set(seen.failures)))
    count = f"{len(seen.latencies):,} probes"
    return [
        at_most("p99 of /healthz, /readyz", percentile(seen.latencies, 99), 500, " ms", note=count),
        at_most("probes failed", len(seen.failures), 0, note=what),
        at_most("memory grew", seen.growth(skip=0.3), 2, "%"),
    ]
