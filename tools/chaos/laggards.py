"""Clients that hold connections without getting on: silent ones, idle ones, ones that send a byte a second."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_BODY = b'{"texts": "' + b"a" * 600 + b'"}'
_HEAD = b"POST /api/1/users HTTP/1.1\r\nHost: chaos\r\nContent-Length: %d\r\n" % len(_BODY)
# What a kind sends at once, and what it drips after that.
KINDS = {
    "silent": (b"", b""),
    "idle": (b"GET /healthz HTTP/1.1\r\nHost: chaos\r\n\r\n", b""),
    "dripping head": (b"", _HEAD + b"X-Slow: " + b"a" * 600),
    "dripping body": (_HEAD + b"\r\n", _BODY),
}
_AGAIN_SECONDS = 0.5


@dataclass
class Lives:
    """How long connections of each kind lived until the server closed them, and those that it never let in."""

    closed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    open: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    failed: int = 0

    def oldest(self, kind: str) -> float:
        """The longest life in seconds, of those that still live too."""
        now = time.monotonic()
        return max([0.0, *self.closed[kind], *(now - opened for opened in self.open[kind].values())])

    @property
    def count(self) -> int:
        """How many are open."""
        return sum(map(len, self.open.values()))


@asynccontextmanager
async def laggards(port: int, sizes: dict[str, int]) -> AsyncIterator[Lives]:
    """So many connections of each kind, all open when the block begins; whoever is closed comes again until it ends."""
    lives, numbers = Lives(), itertools.count()
    tasks = [
        asyncio.create_task(_stay(port, kind, lives, numbers)) for kind, size in sizes.items() for _ in range(size)
    ]
    try:
        async with asyncio.timeout(10):
            while lives.count < len(tasks):  # noqa: ASYNC110 - seven hundred events would say no more
                await asyncio.sleep(0.05)
        yield lives
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stay(port: int, kind: str, lives: Lives, numbers: Iterator[int]) -> None:
    while True:
        number = next(numbers)
        try:
            await _live(port, kind, lives.open[kind], number)
        except OSError:
            lives.failed += number not in lives.open[kind]
        opened = lives.open[kind].pop(number, None)
        if opened is not None:
            lives.closed[kind].append(time.monotonic() - opened)
        await asyncio.sleep(_AGAIN_SECONDS)


async def _live(port: int, kind: str, opened: dict[int, float], number: int) -> None:
    """Return when the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened[number] = time.monotonic()
    at_once, drops = KINDS[kind]
    dripping = asyncio.create_task(_drip(writer, at_once, drops))
    try:
        while await reader.read(65_536):
            pass
    finally:
        dripping.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await dripping
        writer.close()


async def _drip(writer: asyncio.StreamWriter, at_once: bytes, drops: bytes) -> None:
    writer.write(at_once)
    for drop in drops:
        await asyncio.sleep(1)
        writer.write(bytes([drop]))
