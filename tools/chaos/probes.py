"""Probes of an instance during a test: health endpoints, memory and file descriptors."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tools.chaos.instance import Instance

PATHS = ("/healthz", "/readyz")
PROBE_SECONDS = 0.05
SAMPLE_SECONDS = 0.5
TIMEOUT_SECONDS = 5.0


@dataclass
class Probes:
    """Latencies of the responses 200 in ms, the other results, memory (bytes) and descriptors over time."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def growth(self, *, skip: float = 0.1) -> float:
        """Return the growth of memory in percent: medians of the first and last tenth after a share of ``skip``."""
        kept = self.memory[int(len(self.memory) * skip) :]
        tenth = max(1, len(kept) // 10)
        first, last = (sorted(part)[tenth // 2] for part in (kept[:tenth], kept[-tenth:]))
        return 100 * (last / first - 1)


@asynccontextmanager
async def probing(instance: Instance) -> AsyncIterator[Probes]:
    """Probe an instance and sample its processes during the block."""
    probes = Probes()
    tasks = [asyncio.create_task(work(instance, probes)) for work in (_ask, _sample)]
    try:
        yield probes
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile, or None if there are no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


async def _ask(instance: Instance, probes: Probes) -> None:
    turn = 0
    running: set[asyncio.Task[None]] = set()
    while True:
        task = asyncio.create_task(_probe(instance, PATHS[turn % len(PATHS)], probes))
        running.add(task)
        task.add_done_callback(running.discard)
        turn += 1
        await asyncio.sleep(PROBE_SECONDS)


async def _probe(instance: Instance, path: str, probes: Probes) -> None:
    """Send one request on its own connection, as a kubelet does."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status = await _status(instance.port, path)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        probes.failures.append(f"{path}: {type(error).__name__}")
        return
    if status == "200":
        probes.latencies.append((time.monotonic() - started) * 1000)
    else:
        probes.failures.append(f"{path}: {status}")


async def _status(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readuntil(b"\r\n")
        return line.decode("latin-1").split()[1]
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _sample(instance: Instance, probes: Probes) -> None:
    while True:
        # A worker may end after it was listed.
        with suppress(OSError):
            probes.memory.append(instance.memory())
            probes.descriptors.append(instance.descriptors())
        await asyncio.sleep(SAMPLE_SECONDS)
