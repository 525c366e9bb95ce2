"""Driver of a run: gives stages to the sender processes and collects their records.

The live view reads ``Run`` during the run.
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

from review_stress.load.profiles import Segment, profile_segments
from review_stress.load.senders import Config, Senders, SenderState
from review_stress.measurement.objectives import Objective, parse
from review_stress.measurement.outcomes import OUTCOMES, judge
from review_stress.measurement.window_stats import Timeline, WindowStats, histogram, milliseconds

# A process on a core of its own sends about 6,000 requests per second; here it shares the core.
RATE_PER_PROCESS = 1500.0
CONNECTIONS_PER_PROCESS = 64
MAX_CONNECTIONS = 1000
MAX_WINDOWS = 600
# CPU usage (share of a core) above which a sender process counts as saturated.
SATURATED = 0.9
ORIGINAL_TEXTS, ORIGINAL_WORKERS, ORIGINAL_ROUNDS = 1000, 10, 6
# Breakpoint search: growth factor, ratio at which it ends, maximum number of steps, pause after a failed step.
GROWTH, PRECISION, MAX_STEPS, PAUSE_SECONDS = 1.5, 1.06, 24, 2.0
BREAKPOINT_OBJECTIVES = ("p99<500ms", "errors<1%", "shed<1%")


class UnreachableError(Exception):
    """The target does not respond."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load to generate."""

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
    """A run and its results so far."""

    load: Load
    timeline: Timeline
    started: float = 0.0  # of the wall clock
    origin: float = 0.0  # of the monotonic clock
    seconds: float = 0.0  # duration of the load
    segments: tuple[Segment, ...] = ()
    phase: str = ""
    interrupted: bool = False
    states: list[SenderState] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the load began."""
        return max(0.0, time.monotonic() - self.origin) if self.origin else 0.0


def processes_for(load: Load) -> int:
    """Return the number of sender processes for a load."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if load.processes:
        return load.processes
    if load.profile == "original":
        return 1
    if load.closed:
        return min(cores, math.ceil(load.config.connections / CONNECTIONS_PER_PROCESS))
    if load.profile == "breakpoint":
        return min(cores, 2)
    return min(cores, math.ceil(load.rate / load.share[1] / RATE_PER_PROCESS))


async def preflight(config: Config) -> str | None:
    """Send one request; return a description of the problem if its response is not ok.

    Raises ``UnreachableError`` if there is no response.
    """
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
        raise UnreachableError(f"cannot reach {config.url}: no response in {config.timeout:g} s") from error
    except aiohttp.ClientConnectorError as error:
        code = error.os_error.errno or 0
        reason = os.strerror(code) if code > 0 else str(error.os_error.strerror or error.os_error)
        raise UnreachableError(f"cannot reach {config.url}: {reason}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The target accepts connections, so the run can count these failures.
        return f"the first request to {config.url} got no valid response ({str(error) or type(error).__name__})"
    if outcome == 0:
        return None
    excerpt = content[:80].decode("utf-8", "replace")
    return f"the first response from {config.url} was {response.status} ({OUTCOMES[outcome]}): {excerpt}"


class Driver:
    """Runs the stages of a load."""

    def __init__(self, load: Load) -> None:
        window = float(max(1, math.ceil(load.seconds / MAX_WINDOWS)))
        self.run = Run(load, Timeline(window=window, tolerance=load.tolerance))
        self._senders = Senders(lambda _, records: self.run.timeline.add_records(records))
        self._count = processes_for(load)
        self._ended = asyncio.Event()

    async def drive(self, *, begin: Callable[[Run], None] = lambda _: None) -> Run:
        """Run the load; ``begin`` is called once the start time is known."""
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
        """End the run early; the results so far are kept."""
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
            run.segments = profile_segments(
                load.profile, load.rate, load.seconds, steps=load.steps, base=load.base, calm=load.calm
            )
            await self._open(0.0, run.segments)

    async def _open(self, start: float, segments: Sequence[Segment]) -> None:
        load, count = self.run.load, self._count
        index, shares = load.share
        stage = {
            "kind": "open",
            "origin": self.run.origin,
            "start": self.run.origin + start,
            "segments": segments,
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
        """Raise the rate until it fails twice in a row, then bisect between the last good rate and that one."""
        load, run = self.run.load, self.run
        rate, good, failed = load.rate, 0.0, math.inf
        while not run.interrupted and len(run.steps) < MAX_STEPS and (good == 0 or failed / good > PRECISION):
            if await self._step(rate) or (not run.interrupted and await self._step(rate)):
                good = rate
            elif not run.interrupted:
                failed = rate
                if run.steps[-1]["sender_limited"]:
                    break
            if good == 0 and failed <= load.rate / 2:
                break
            rate = good * GROWTH if failed == math.inf else failed / 2 if good == 0 else math.sqrt(good * failed)

    async def _step(self, rate: float) -> bool:
        """Try one rate; return whether it met the objectives."""
        run, load = self.run, self.run.load
        start = float(math.ceil(run.elapsed + 0.1)) if run.steps else 0.0
        run.phase = f"{rate:,.0f}/s"
        run.seconds = start + load.seconds
        piece = Segment(load.seconds, rate, rate)
        run.segments = (*run.segments, *_gap(run.segments, start), piece)
        await self._open(start, [piece])
        if run.interrupted:
            return False
        stats = run.timeline.between(start, start + load.seconds)
        step = judge_step(stats, rate, load)
        run.steps.append({"t": start, "seconds": load.seconds} | step)
        if not step["met"]:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), min(PAUSE_SECONDS, load.seconds / 2))
        return bool(step["met"])


def _gap(segments: Sequence[Segment], start: float) -> tuple[Segment, ...]:
    before = sum(piece.seconds for piece in segments)
    return (Segment(start - before, 0, 0),) if start > before else ()


def judge_step(stats: WindowStats, rate: float, load: Load) -> dict[str, Any]:
    """Return the result of one rate of the breakpoint search."""
    objectives = load.objectives or [parse(text) for text in BREAKPOINT_OBJECTIVES]
    achieved = stats.answered / load.seconds
    judged = [one.judge(stats, rate=achieved) for one in objectives]
    # A rate with unsent requests is not sustained, however fast the responses are.
    met = all(one["met"] for one in judged) and stats.unsent <= 0.01 * stats.offered
    return {
        "rate": round(rate, 2),
        "met": met,
        "ok_rate": round(achieved, 2),
        "latency_ms": stats.latency(),
        "violated": [one["objective"] for one in judged if not one["met"]],
        "sender_limited": stats.limited(),
    }


def sender_figures(run: Run, total: WindowStats) -> dict[str, Any]:
    """Return figures of the senders, and whether they limited the load."""
    lags = histogram()
    for state in run.states:
        for seconds in state.lags:
            lags.record_value(max(1, int(seconds * 1e6)))
    lag = {name: milliseconds(lags.get_value_at_percentile(percent)) for name, percent in (("p50", 50), ("p99", 99))}
    behind = total.behind / total.offered if total.offered else 0.0
    busiest = max((state.cpu for state in run.states), default=0.0)
    local = sum(number for what, number in total.details.items() if what.startswith("errno"))
    tolerance = run.timeline.tolerance * 1000
    why = []
    if local:
        why.append(f"{local:,} requests failed on this machine before they were sent (file descriptors or ports)")
    if total.limited() or (run.load.closed and lag["p99"] > max(tolerance, (total.percentile(50) or 0.0) / 2)):
        late = f"handled {behind:.1%} of the requests" if not run.load.closed else "woke (99th percentile)"
        why.append(f"the sender {late} more than {tolerance:g} ms late")
    if busiest > SATURATED:
        why.append(f"a sender process used {busiest:.0%} of a core: use more --processes, or more machines and --merge")
    elif why and not local:
        why.append(f"its processes used at most {busiest:.0%} of a core: other processes kept this machine busy")
    return {
        "processes": len(run.states),
        "cpu": [round(state.cpu, 3) for state in run.states],
        "lag_ms": lag,
        "limited": bool(why),
        "why": why,
    }
