"""Clients that keep connections open: silent, idle, or sending one byte per second."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_BODY = b'{"texts": "' + b"a" * 600 + b'"}'
_HEAD = b"POST /api/1/users HTTP/1.1\r\nHost: chaos\r\nContent-Length: %d\r\n" % len(_BODY)
# For each kind: the bytes sent at once, and the bytes sent one per second after them.
KINDS = {
    "silent": (b"", b""),
    "idle": (b"GET /healthz HTTP/1.1\r\nHost: chaos\r\n\r\n", b""),
    "slow header": (b"", _HEAD + b"X-Slow: " + b"a" * 600),
    "slow body": (_HEAD + b"\r\n", _BODY),
}
_RECONNECT_SECONDS = 0.5


@dataclass
class Lifetimes:
    """Lifetimes of the connections of each kind until the server closed them, and the number that it did not accept."""

    closed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    open: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    failed: int = 0

    def oldest(self, kind: str) -> float:
        """Return the longest lifetime in seconds, open connections included."""
        now = time.monotonic()
        return max([0.0, *self.closed[kind], *(now - opened for opened in self.open[kind].values())])

    @property
    def count(self) -> int:
        """The number of open connections."""
        return sum(map(len, self.open.values()))


@asynccontextmanager
async def slow_clients(port: int, sizes: dict[str, int]) -> AsyncIterator[Lifetimes]:
    """Hold ``sizes`` connections of each kind during the block; reopen those that the server closes."""
    lifetimes, numbers = Lifetimes(), itertools.count()
    tasks = [
        asyncio.create_task(_reconnect(port, kind, lifetimes, numbers))
        for kind, size in sizes.items()
        for _ in range(size)
    ]
    try:
        async with asyncio.timeout(10):
            while lifetimes.count < len(tasks):  # noqa: ASYNC110 - polling is simpler than 700 events
                await asyncio.sleep(0.05)
        yield lifetimes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _reconnect(port: int, kind: str, lifetimes: Lifetimes, numbers: Iterator[int]) -> None:
    while True:
        number = next(numbers)
        try:
            await _hold(port, kind, lifetimes.open[kind], number)
        except OSError:
            lifetimes.failed += number not in lifetimes.open[kind]
        opened = lifetimes.open[kind].pop(number, None)
        if opened is not None:
            lifetimes.closed[kind].append(time.monotonic() - opened)
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _hold(port: int, kind: str, opened: dict[int, float], number: int) -> None:
    """Hold one connection until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened[number] = time.monotonic()
    first, slowly = KINDS[kind]
    sending = asyncio.create_task(_send_slowly(writer, first, slowly))
    try:
        while await reader.read(65_536):
            pass
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await sending
        writer.close()


async def _send_slowly(writer: asyncio.StreamWriter, first: bytes, slowly: bytes) -> None:
    writer.write(first)
    for byte in slowly:
        await asyncio.sleep(1)
        writer.write(bytes([byte]))
