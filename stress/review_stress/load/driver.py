"""One run from its first request to its last: stages given to the senders, their records taken in.

``Run`` is also what the live view looks at while it goes on.
"""

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from review_stress.load.profiles import Segment, segments
from review_stress.load.senders import Config, Senders, State
from review_stress.measurement.objectives import Objective, parse
from review_stress.measurement.outcomes import OUTCOMES, judge
from review_stress.measurement.tally import Tally, Timeline, histogram, milliseconds

# One process sends about 6,000 requests a second on a core of its own; it has to share.
RATE_A_PROCESS = 1500.0
CONNECTIONS_A_PROCESS = 64
MOST_CONNECTIONS = 1000
MOST_WINDOWS = 600
# The share of a core above which a sender process has no more to give.
BUSY = 0.9
ORIGINAL_TEXTS, ORIGINAL_WORKERS, ORIGINAL_ROUNDS = 1000, 10, 6
# The search for the breakpoint: how fast it climbs, how close it closes in, how long it lets a broken target rest.
CLIMB, CLOSE, MOST_STEPS, REST_SECONDS = 1.5, 1.06, 24, 2.0
BREAKPOINT_OBJECTIVES = ("p99<500ms", "errors<1%", "shed<1%")


class NobodyAnswersError(Exception):
    """There is no answer from the target."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is to be done to the target."""

    config: Config
    profile: str = "constant"
    closed: bool = False
    rate: float = 100
    seconds: float = 30
    poisson: bool = True
    steps: int = 5
    base: float = 10
    calm: float | None = None
    share: tuple[int, int] = (0, 1)
    processes: int | None = None
    tolerance: float = 0.01
    objectives: Sequence[Objective] = ()


@dataclass
class Run:
    """A run and what came of it so far."""

    load: Load
    timeline: Timeline
    started: float = 0.0  # of the wall clock
    origin: float = 0.0  # of the monotonic clock
    seconds: float = 0.0  # for which load was offered
    pieces: tuple[Segment, ...] = ()
    phase: str = ""
    interrupted: bool = False
    states: list[State] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the load began."""
        return max(0.0, time.monotonic() - self.origin) if self.origin else 0.0


def processes_for(load: Load) -> int:
    """Return how many sender processes the load takes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if load.processes:
        return load.processes
    if load.profile == "original":
        return 1
    if load.closed:
        return min(cores, math.ceil(load.config.connections / CONNECTIONS_A_PROCESS))
    if load.profile == "breakpoint":
        return min(cores, 2)
    return min(cores, math.ceil(load.rate / load.share[1] / RATE_A_PROCESS))


async def preflight(config: Config) -> str | None:
    """Ask once; return what was odd about the answer, and raise if there is none."""
    try:
        timeout = aiohttp.ClientTimeout(total=config.timeout)
        async with (
            aiohttp.ClientSession(
                headers=config.headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(config.url, data=config.bodies[0].encode(), allow_redirects=False) as response,
        ):
            content = await response.read()
            outcome = judge(response.status, content, retry_after="Retry-After" in response.headers, batch=config.batch)
    except TimeoutError as error:
        raise NobodyAnswersError(f"nobody answers at {config.url}: no answer in {config.timeout:g} s") from error
    except aiohttp.ClientConnectorError as error:
        code = error.os_error.errno or 0
        reason = os.strerror(code) if code > 0 else str(error.os_error.strerror or error.os_error)
        raise NobodyAnswersError(f"nobody answers at {config.url}: {reason}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # It takes connections: what it does with them is for the run to count.
        return f"the first request to {config.url} got no proper answer ({str(error) or type(error).__name__})"
    if outcome == 0:
        return None
    begun = content[:80].decode("utf-8", "replace")
    return f"the first answer from {config.url} was {response.status} ({OUTCOMES[outcome]}): {begun}"


class Driver:
    """Gives the senders one stage after another."""

    def __init__(self, load: Load) -> None:
        window = float(max(1, math.ceil(load.seconds / MOST_WINDOWS)))
        self.run = Run(load, Timeline(window=window, tolerance=load.tolerance))
        self._senders = Senders(lambda _, records: self.run.timeline.hear(records))
        self._count = processes_for(load)
        self._ended = asyncio.Event()

    async def drive(self, *, begin: Callable[[Run], None] = lambda _: None) -> Run:
        """Do it all; ``begin`` is called when the time of the first request is known."""
        run, loop = self.run, asyncio.get_running_loop()
        config = self.run.load.config
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupt)
        try:
            run.phase = "starting"
            await self._senders.start(self._count, config)
            run.states = self._senders.states
            run.origin = time.monotonic() + 0.2
            run.started = time.time() + 0.2
            for state in run.states:
                state.start()
            begin(run)
            if not run.interrupted:
                await self._all_stages()
        finally:
            await self._senders.close()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        return run

    def interrupt(self) -> None:
        """End early, with what there is."""
        self.run.interrupted = True
        self.run.seconds = min(self.run.seconds, self.run.elapsed)
        self._ended.set()
        self._senders.stop()

    async def _all_stages(self) -> None:
        run, load = self.run, self.run.load
        if load.profile == "original":
            for number in range(ORIGINAL_ROUNDS):
                if not run.interrupted:
                    await self._round(number)
            run.seconds = run.timeline.last
        elif load.closed:
            run.phase, run.seconds = "closed loop", load.seconds
            await self._closed(0.0, load.config.connections, seconds=load.seconds)
        elif load.profile == "breakpoint":
            await self._search()
        else:
            run.phase, run.seconds = load.profile, load.seconds
            run.pieces = segments(
                load.profile, load.rate, load.seconds, steps=load.steps, base=load.base, calm=load.calm
            )
            await self._open(0.0, run.pieces)

    async def _open(self, start: float, pieces: Sequence[Segment]) -> None:
        load, count = self.run.load, self._count
        index, shares = load.share
        stage = {
            "kind": "open",
            "origin": self.run.origin,
            "start": self.run.origin + start,
            "segments": pieces,
            "poisson": load.poisson,
            "seed": load.config.seed,
            "parts": count * shares,
        }
        await self._senders.run([stage | {"part": index * count + part} for part in range(count)])

    async def _closed(self, start: float, workers: int, *, seconds: float = 0, requests: int = 0) -> None:
        count = self._count
        stage = {"kind": "closed", "origin": self.run.origin, "start": self.run.origin + start, "seconds": seconds}
        await self._senders.run(
            [
                stage
                | {
                    "workers": workers // count + (part < workers % count),
                    "count": requests // count + (part < requests % count),
                }
                for part in range(count)
            ]
        )

    async def _round(self, number: int) -> None:
        run = self.run
        run.phase = f"round {number + 1} of {ORIGINAL_ROUNDS}"
        start = run.elapsed + 0.05 if number else 0.0
        await self._closed(start, ORIGINAL_WORKERS, requests=ORIGINAL_TEXTS)
        if not run.interrupted:
            run.rounds.append(run.timeline.last - start)

    async def _search(self) -> None:
        """Climb until a rate breaks the target twice in a row, then close in between the last good and that one."""
        load, run = self.run.load, self.run
        rate, held, broken = load.rate, 0.0, math.inf
        while not run.interrupted and len(run.steps) < MOST_STEPS and (held == 0 or broken / held > CLOSE):
            if await self._step(rate) or (not run.interrupted and await self._step(rate)):
                held = rate
            elif not run.interrupted:
                broken = rate
                if run.steps[-1]["sender_limited"]:
                    break
            if held == 0 and broken <= load.rate / 2:
                break
            rate = held * CLIMB if broken == math.inf else broken / 2 if held == 0 else math.sqrt(held * broken)

    async def _step(self, rate: float) -> bool:
        """Try one rate; return whether it held."""
        run, load = self.run, self.run.load
        start = float(math.ceil(run.elapsed + 0.1)) if run.steps else 0.0
        run.phase = f"{rate:,.0f}/s"
        run.seconds = start + load.seconds
        piece = Segment(load.seconds, rate, rate)
        run.pieces = (*run.pieces, *_gap(run.pieces, start), piece)
        await self._open(start, [piece])
        if run.interrupted:
            return False
        tally = run.timeline.between(start, start + load.seconds)
        step = judge_step(tally, rate, load)
        run.steps.append({"t": start, "seconds": load.seconds} | step)
        if not step["held"]:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), min(REST_SECONDS, load.seconds / 2))
        return bool(step["held"])


def _gap(pieces: Sequence[Segment], start: float) -> tuple[Segment, ...]:
    before = sum(piece.seconds for piece in pieces)
    return (Segment(start - before, 0, 0),) if start > before else ()


def judge_step(tally: Tally, rate: float, load: Load) -> dict[str, Any]:
    """Return what came of one rate of the search for the breakpoint."""
    objectives = load.objectives or [parse(text) for text in BREAKPOINT_OBJECTIVES]
    achieved = tally.answered / load.seconds
    judged = [one.judge(tally, rate=achieved) for one in objectives]
    # A target that leaves requests unsent does not hold the rate, however quick its answers are.
    held = all(one["held"] for one in judged) and tally.unsent <= 0.01 * tally.offered
    return {
        "rate": round(rate, 2),
        "held": held,
        "ok_rate": round(achieved, 2),
        "latency_ms": tally.latency(),
        "broken": [one["objective"] for one in judged if not one["held"]],
        "sender_limited": tally.limited(),
    }


def sender_facts(run: Run, total: Tally) -> dict[str, Any]:
    """Return how the senders themselves did, and whether they were the limit."""
    lags = histogram()
    for state in run.states:
        for seconds in state.lags:
            lags.record_value(max(1, int(seconds * 1e6)))
    lag = {name: milliseconds(lags.get_value_at_percentile(percent)) for name, percent in (("p50", 50), ("p99", 99))}
    behind = total.behind / total.offered if total.offered else 0.0
    busiest = max((state.cpu for state in run.states), default=0.0)
    own = sum(number for what, number in total.details.items() if what.startswith("errno"))
    tolerance = run.timeline.tolerance * 1000
    why = []
    if own:
        why.append(f"{own:,} requests failed on this machine before they were sent (too few files or ports)")
    if total.limited() or (run.load.closed and lag["p99"] > max(tolerance, (total.percentile(50) or 0.0) / 2)):
        late = f"got to {behind:.1%} of the requests" if not run.load.closed else "woke (99th percentile)"
        why.append(f"the sender {late} more than {tolerance:g} ms late")
    if busiest > BUSY:
        why.append(
            f"a sender process used {busiest:.0%} of a core: --processes, or more machines and --merge, send more"
        )
    elif why and not own:
        why.append(f"its processes used at most {busiest:.0%} of a core: something else kept this machine's cores busy")
    return {
        "processes": len(run.states),
        "cpu": [round(state.cpu, 3) for state in run.states],
        "lag_ms": lag,
        "limited": bool(why),
        "why": why,
    }
