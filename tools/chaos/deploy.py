"""Deploys and faults at half of the capacity: only the requests of a killed worker may be lost."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tools.chaos.checks import Check, at_most, equal, info
from tools.chaos.clients import PATH
from tools.chaos.context import Context
from tools.chaos.instance import Instance, alive, serving, start, stop, until_ready
from tools.chaos.load_balancer import BalancedClient, balanced

# Cores of each instance; the client has the rest. The load is half the capacity of one instance, since at
# times only one is left.
CORES = 1.0
LOAD = 0.5
DRAIN_SECONDS = 3
DRAINING = {"DRAIN_SECONDS": DRAIN_SECONDS}
GRACE_SECONDS = 30
_PROBE = {"texts": "部屋は狭いけれど朝食が美味しかった"}


async def deploy(context: Context) -> dict[str, list[Check]]:
    """Run all cases, each with its own instances."""
    async with serving(context.bundle, log=context.log("capacity"), cores=CORES) as instance:
        measured = await context.capacity(instance)
    run = _Run(context=context, rate=LOAD * measured.rate, bodies=context.reviews.read_text().splitlines())
    return {
        "half of the capacity of one instance": [
            info("rate", run.rate, "/s", note=f"{CORES:g} core handles {measured.rate:,.0f}/s")
        ],
        "TERM to one of two, then the other": await _replace(run),
        "HUP with a good bundle": await _reload_good(run),
        "HUP with a broken bundle": await _reload_broken(run),
        "KILL of a worker": await _kill(run),
    }


@dataclass(frozen=True, kw_only=True)
class _Run:
    context: Context
    rate: float
    bodies: list[str]

    def load(self, *instances: Instance) -> Any:
        return balanced([each.url for each in instances], self.bodies, rate=self.rate)


async def _replace(run: _Run) -> list[Check]:
    """Replace both instances one after the other, as a rolling update does."""
    log, statuses, took = run.context.log("replace"), [], []
    bundle = run.context.bundle
    running = [await start(bundle, log=log, cores=CORES, settings=DRAINING) for _ in range(2)]
    try:
        await run.context.warm(*running)
        async with run.load(*running) as client:
            await asyncio.sleep(2)
            for number, old in enumerate(running):
                signalled_at = time.monotonic()
                old.signal(signal.SIGTERM)
                statuses.append(await old.ended(seconds=DRAIN_SECONDS + GRACE_SECONDS))
                took.append(time.monotonic() - signalled_at)
                await stop(old)
                running[number] = await start(bundle, log=log, cores=CORES, port=old.port, settings=DRAINING)
                await asyncio.sleep(3)
    finally:
        for instance in running:
            await stop(instance)
    return [
        *_lost(client),
        equal("exit statuses", statuses, [0, 0]),
        at_most("longest time to stop", max(took), DRAIN_SECONDS + GRACE_SECONDS, " s"),
    ]


async def _reload_good(run: _Run) -> list[Check]:
    context = run.context
    async with _swappable(run) as (instance, swap):
        before = await _digests(instance)
        async with run.load(instance) as client:
            await asyncio.sleep(2)
            old = instance.workers
            swap(context.other)
            instance.signal(signal.SIGHUP)
            seconds = await _until(lambda: not any(map(alive, old)), seconds=30)
            await asyncio.sleep(2)
        after = await _digests(instance)
        return [
            *_lost(client),
            equal("digests before", len(before), 1),
            equal("digests after", len(after), 1),
            equal("digest changed", before != after, expected=True),
            at_most("time until the last old worker ended", seconds, 30, " s"),
            equal("workers", len(instance.workers), 2),
        ]


async def _reload_broken(run: _Run) -> list[Check]:
    context = run.context
    broken = context.folder / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(context.bundle, broken)
    model = broken / "booster.txt"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    async with _swappable(run) as (instance, swap):
        before, score = await _digests(instance), await _scores(instance)
        logged = instance.log.stat().st_size
        async with run.load(instance) as client:
            await asyncio.sleep(2)
            swap(broken)
            instance.signal(signal.SIGHUP)
            await asyncio.sleep(6)
        named = [line for line in instance.log.read_text()[logged:].splitlines() if "booster.txt" in line]
        return [
            *_lost(client),
            equal("digest unchanged", await _digests(instance) == before, expected=True),
            equal("scores unchanged", await _scores(instance) == score, expected=True),
            equal("log names the file", bool(named), expected=True),
            equal("workers", len(instance.workers), 2),
        ]


async def _kill(run: _Run) -> list[Check]:
    async with _swappable(run) as (instance, _), run.load(instance) as client:
        await asyncio.sleep(2)
        victim = instance.workers[0]
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        await _until(lambda: not alive(victim), seconds=5)
        await asyncio.sleep(0)  # count what the client sends before it notices the end as in flight
        gone = time.monotonic()
        seconds = await _until(lambda: len([pid for pid in instance.workers if alive(pid)]) == 2, seconds=10)
        await asyncio.sleep(3)
        await until_ready([instance.url])
    failures = client.failures
    in_flight = client.in_flight(killed, gone)
    return [
        at_most("failed", failures.total(), in_flight, note=_failures(client) or f"{in_flight} in flight"),
        at_most("time until two workers run", seconds, 10, " s"),
    ]


@asynccontextmanager
async def _swappable(run: _Run) -> AsyncIterator[Any]:
    """Yield an instance and a function that replaces its bundle atomically."""
    link = run.context.folder / "current"

    def swap(bundle: Path) -> None:
        new = link.with_name("next")
        new.unlink(missing_ok=True)
        new.symlink_to(bundle.resolve())
        new.replace(link)

    swap(run.context.bundle)
    async with serving(link, log=run.context.log("faults"), cores=CORES) as instance:
        await run.context.warm(instance)
        yield instance, swap


def _lost(client: BalancedClient) -> list[Check]:
    return [at_most("failed", client.failures.total(), 0, note=_failures(client) or f"of {len(client.requests):,}")]


def _failures(client: BalancedClient) -> str:
    return ", ".join(f"{what} × {count}" for what, count in client.failures.items())


async def _digests(instance: Instance) -> set[str]:
    """Return the digests at /version of all workers: 40 connections reach each of them."""
    return {answer["bundle"]["digest"] for answer in await _ask_all(instance, "/version", None)}


async def _scores(instance: Instance) -> set[float]:
    return {answer["score"] for answer in await _ask_all(instance, PATH, _PROBE)}


async def _ask_all(instance: Instance, path: str, body: object) -> list[Any]:
    answers = []
    method = "GET" if body is None else "POST"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        for _ in range(40):
            async with session.request(method, instance.url + path, json=body, raise_for_status=True) as answer:
                answers.append(await answer.json())
    return answers


async def _until(condition: Any, *, seconds: float) -> float | None:
    """Return the seconds until ``condition`` held, or None."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            return None
        await asyncio.sleep(0.002)
    return time.monotonic() - started
