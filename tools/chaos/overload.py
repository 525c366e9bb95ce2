"""Two and three times what the service holds, in an open loop: it serves what it can, and says no to the rest.

What it can serve is less than its capacity, as saying no costs too: with s seconds of CPU an answer, d a refusal and k
times the capacity offered, a share of (s - kd)/(s - d) of the capacity is left for answers. Both are measured here, in
closed loops: some that are never refused, before and after, and one of so many connections that nearly all are.
"""

from dataclasses import dataclass

from tools.chaos.clients import Report, between, stress, wrk
from tools.chaos.instance import Instance, serving
from tools.chaos.probes import Probes, percentile, probing
from tools.chaos.scene import Scene
from tools.chaos.verdicts import Line, at_least, at_most, told

CORES = 0.25
# Of the capacity, before and after: what the service does on a normal day.
NORMAL = 0.4
CROWD = 512
# The kernel looks at a quota once a tick, every 4 ms on most machines: who uses it up within one is held back for three
# more. A few of those decide a p99 on a normal day.
HELD_BACK_MS = 12


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


@dataclass(frozen=True, kw_only=True)
class Calm:
    """A closed loop that is never refused: its rate, the CPU an answer took, the share of the quota that was used."""

    rate: float
    answer: float
    used: float
    refused: int


async def overload(scene: Scene) -> dict[str, list[Line]]:
    """One worker on a quarter of a core. Its capacity is taken before and after each burst: machines change pace."""
    async with serving(scene.bundle, log=scene.log("overload"), cores=CORES, settings={"WORKERS": 1}) as instance:
        await _calm(scene, instance, seconds=2)  # a new worker is slower at first
        before = await _calm(scene, instance, seconds=scene.seconds(10, 5))
        refusal, lines = await _refusal(scene, instance, before)
        found = {"what it holds": [*_held(before), *lines]}
        for times in (2, 3):
            report, seen, during = await _burst(scene, instance, rate=times * before.rate, base=NORMAL * before.rate)
            after = await _calm(scene, instance, seconds=scene.seconds(10, 5))
            costs = _mean(before, after, refusal)
            found[f"{times} times that"] = [
                told("capacity before and after", costs.capacity, "/s", note=f"{before.rate:.0f}, {after.rate:.0f}"),
                *_offered(report, during, costs),
                *_goodput(report, during, costs),
                *_answers(report, during),
                *_normal(report, during),
                *_well(seen),
            ]
            before = after
    return found


async def _calm(scene: Scene, instance: Instance, *, seconds: int) -> Calm:
    """Keep it busy with a queue too short for it to refuse anything."""
    before = instance.cpu()
    report = await stress(instance.url, scene.folder, "--connections", "12", seconds=seconds)
    used, answers = instance.cpu() - before, report["outcomes"]["ok"]
    share = used / report["seconds"] / CORES
    return Calm(rate=report["rate"], answer=used / answers, used=share, refused=report["offered"] - answers)


async def _refusal(scene: Scene, instance: Instance, calm: Calm) -> tuple[float, list[Line]]:
    """Return the CPU of a refusal, from so many connections in a closed loop that hardly anything else is left."""
    before = instance.cpu()
    crowd = await wrk(instance.url, scene.reviews, connections=CROWD, seconds=scene.seconds(6, 4))
    refusal = (instance.cpu() - before - crowd.answers * calm.answer) / max(1, crowd.refused)
    return refusal, [
        told("CPU a refusal (d)", refusal * 1e6, " µs", note=f"{crowd.refused:,} refused, {crowd.answers:,} answered"),
        at_least("refused there, of all", 100 * crowd.refused / max(1, crowd.requests), 50, "%"),
    ]


def _mean(before: Calm, after: Calm, refusal: float) -> Costs:
    return Costs(capacity=(before.rate + after.rate) / 2, answer=(before.answer + after.answer) / 2, refusal=refusal)


async def _burst(
    scene: Scene, instance: Instance, *, rate: float, base: float
) -> tuple[Report, Probes, tuple[int, int]]:
    """Return the tool's report, what the probes saw, and from which second to which the burst was."""
    calm, spike = scene.seconds(10, 6), scene.seconds(30, 8)
    shape = ("--profile", "spike", "--calm", f"{calm}", "--base", f"{base:.3f}", "--rate", f"{rate:.3f}")
    async with probing(instance) as seen:
        report = await stress(instance.url, scene.folder, *shape, "--timeout", "5s", seconds=spike + 2 * calm)
    return report, seen, (calm, calm + spike)


def _held(calm: Calm) -> list[Line]:
    return [
        told("capacity", calm.rate, "/s", note=f"{CORES:g} cores"),
        at_least("CPU used of the quota", 100 * calm.used, 90, "%"),
        at_most("refused of those", calm.refused, 0),
        told("CPU an answer (s)", calm.answer * 1e6, " µs"),
    ]


def _offered(report: Report, during: tuple[int, int], costs: Costs) -> list[Line]:
    rate = report["asked_rate"]
    achieved = between(report, *during).sent / (during[1] - during[0])
    limited = "; ".join(report["sender"]["why"]) or "the sender kept up"
    return [
        told("offered", rate, "/s", note=f"{rate / costs.capacity:.2f} times"),
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
    return [at_most("p99 from 1 s after", after.percentile(99), 2 * (quiet or 0) + HELD_BACK_MS, " ms", note=note)]


def _well(seen: Probes) -> list[Line]:
    what = ", ".join(sorted(set(seen.failures)))
    count = f"{len(seen.latencies):,} probes"
    return [
        at_most("p99 of /healthz, /readyz", percentile(seen.latencies, 99), 500, " ms", note=count),
        at_most("probes failed", len(seen.failures), 0, note=what),
        at_most("memory grew", seen.growth(skip=0.3), 2, "%"),
    ]
