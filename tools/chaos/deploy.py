"""Deploys and faults under half of what the service holds: no request is lost but those a killed worker had."""

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

from tools.chaos.balanced import Balanced, balanced
from tools.chaos.clients import PATH
from tools.chaos.instance import Instance, alive, serving, start, stop, until_ready
from tools.chaos.scene import Scene
from tools.chaos.verdicts import Line, at_most, equal, told

# For each instance, as pods have; the rest of the machine is the client's. The load is half of what one instance holds,
# as one is all that is left for a while.
CORES = 1.0
LOAD = 0.5
DRAIN_SECONDS = 3
DRAINING = {"DRAIN_SECONDS": DRAIN_SECONDS}
GRACE_SECONDS = 30
_PROBE = {"texts": "部屋は狭いけれど朝食が美味しかった"}


async def deploy(scene: Scene) -> dict[str, list[Line]]:
    """All cases, each with instances of its own."""
    async with serving(scene.bundle, log=scene.log("capacity"), cores=CORES) as instance:
        held = await scene.capacity(instance)
    play = _Play(scene=scene, rate=LOAD * held.rate, bodies=scene.reviews.read_text().splitlines())
    return {
        "half of what one holds": [told("rate", play.rate, "/s", note=f"{CORES:g} core held {held.rate:,.0f}/s")],
        "TERM to one of two, then the other": await _replace(play),
        "HUP with a good bundle": await _reload_good(play),
        "HUP with a broken bundle": await _reload_broken(play),
        "KILL of a worker": await _kill(play),
    }


@dataclass(frozen=True, kw_only=True)
class _Play:
    scene: Scene
    rate: float
    bodies: list[str]

    def load(self, *instances: Instance) -> Any:
        return balanced([each.url for each in instances], self.bodies, rate=self.rate)


async def _replace(play: _Play) -> list[Line]:
    """Both instances, one after the other, as a rolling update does: out, in again when it is ready, the next."""
    log, statuses, took = play.scene.log("replace"), [], []
    bundle = play.scene.bundle
    running = [await start(bundle, log=log, cores=CORES, settings=DRAINING) for _ in range(2)]
    try:
        await play.scene.warm(*running)
        async with play.load(*running) as client:
            await asyncio.sleep(2)
            for number, old in enumerate(running):
                told_at = time.monotonic()
                old.signal(signal.SIGTERM)
                statuses.append(await old.ended(seconds=DRAIN_SECONDS + GRACE_SECONDS))
                took.append(time.monotonic() - told_at)
                await stop(old)
                running[number] = await start(bundle, log=log, cores=CORES, port=old.port, settings=DRAINING)
                await asyncio.sleep(3)
    finally:
        for instance in running:
            await stop(instance)
    return [
        *_lost(client),
        equal("exit statuses", statuses, [0, 0]),
        at_most("slower to end", max(took), DRAIN_SECONDS + GRACE_SECONDS, " s"),
    ]


async def _reload_good(play: _Play) -> list[Line]:
    scene = play.scene
    async with _swappable(play) as (instance, swap):
        before = await _digests(instance)
        async with play.load(instance) as client:
            await asyncio.sleep(2)
            old = instance.workers
            swap(scene.other)
            instance.signal(signal.SIGHUP)
            seconds = await _until(lambda: not any(map(alive, old)), seconds=30)
            await asyncio.sleep(2)
        after = await _digests(instance)
        return [
            *_lost(client),
            equal("digests before", len(before), 1),
            equal("digests after", len(after), 1),
            equal("a new digest", before != after, wanted=True),
            at_most("until the last old worker went", seconds, 30, " s"),
            equal("workers", len(instance.workers), 2),
        ]


async def _reload_broken(play: _Play) -> list[Line]:
    scene = play.scene
    broken = scene.folder / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(scene.bundle, broken)
    model = broken / "booster.txt"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    async with _swappable(play) as (instance, swap):
        before, score = await _digests(instance), await _scores(instance)
        logged = instance.log.stat().st_size
        async with play.load(instance) as client:
            await asyncio.sleep(2)
            swap(broken)
            instance.signal(signal.SIGHUP)
            await asyncio.sleep(6)
        named = [line for line in instance.log.read_text()[logged:].splitlines() if "booster.txt" in line]
        return [
            *_lost(client),
            equal("the old digest", await _digests(instance) == before, wanted=True),
            equal("the old scores", await _scores(instance) == score, wanted=True),
            equal("the file is named in the log", bool(named), wanted=True),
            equal("workers", len(instance.workers), 2),
        ]


async def _kill(play: _Play) -> list[Line]:
    async with _swappable(play) as (instance, _), play.load(instance) as client:
        await asyncio.sleep(2)
        victim = instance.workers[0]
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        await _until(lambda: not alive(victim), seconds=5)
        await asyncio.sleep(0)  # what the client sends before it reads of the end is under way, too
        gone = time.monotonic()
        seconds = await _until(lambda: len([pid for pid in instance.workers if alive(pid)]) == 2, seconds=10)
        await asyncio.sleep(3)
        await until_ready([instance.url])
    failures = client.failures
    under_way = client.under_way(killed, gone)
    return [
        at_most("failed", failures.total(), under_way, note=_named(client) or f"{under_way} were under way"),
        at_most("until two workers again", seconds, 10, " s"),
    ]


@asynccontextmanager
async def _swappable(play: _Play) -> AsyncIterator[Any]:
    """An instance, and what swaps its bundle for another in one step."""
    link = play.scene.folder / "current"

    def swap(bundle: Path) -> None:
        new = link.with_name("next")
        new.unlink(missing_ok=True)
        new.symlink_to(bundle.resolve())
        new.replace(link)

    swap(play.scene.bundle)
    async with serving(link, log=play.scene.log("faults"), cores=CORES) as instance:
        await play.scene.warm(instance)
        yield instance, swap


def _lost(client: Balanced) -> list[Line]:
    return [at_most("failed", client.failures.total(), 0, note=_named(client) or f"of {len(client.requests):,}")]


def _named(client: Balanced) -> str:
    return ", ".join(f"{what} × {count}" for what, count in client.failures.items())


async def _digests(instance: Instance) -> set[str]:
    """The digests at /version, asked often enough for each worker to have had its say."""
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


async def _until(holds: Any, *, seconds: float) -> float | None:
    """Return after how many seconds it held, None when it did not."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            return None
        await asyncio.sleep(0.002)
    return time.monotonic() - started
