"""A client that sends where a Kubernetes Service would: to the instances whose ``/readyz`` says 200."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tools.chaos.clients import PATH

# A kubelet asks every second or so; the endpoints follow within another.
_READY_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """When it was sent and answered, on the monotonic clock, and what was wrong with the answer."""

    sent: float
    done: float
    failure: str


@dataclass
class Balanced:
    """The requests so far, and where the next go."""

    ready: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    unsent: int = 0

    @property
    def failures(self) -> Counter[str]:
        """What failed, by what was wrong; a request that no instance was ready for failed too."""
        found = Counter(request.failure for request in self.requests if request.failure)
        return found + Counter({"no instance ready": self.unsent})

    def under_way(self, start: float, end: float) -> int:
        """How many had been sent before ``end`` and were not answered at ``start``."""
        return sum(request.sent <= end and request.done >= start for request in self.requests)


@asynccontextmanager
async def balanced(urls: Sequence[str], bodies: Sequence[str], *, rate: float) -> AsyncIterator[Balanced]:
    """Send reviews at ``rate`` a second, answered or not, until the block ends; then wait for what is under way."""
    client = Balanced(ready=set(urls))
    # aiohttp sends a POST once, so that what is lost shows.
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=10)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        watching = [asyncio.create_task(_watch(session, url, client)) for url in urls]
        sending = asyncio.create_task(_send(session, client, [body.encode() for body in bodies], rate))
        try:
            yield client
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        if not sending.cancelled():
            sending.result()


async def _watch(session: aiohttp.ClientSession, url: str, client: Balanced) -> None:
    while True:
        try:
            async with session.get(f"{url}/readyz", headers={"Connection": "close"}) as answer:
                ready = answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            ready = False
        (client.ready.add if ready else client.ready.discard)(url)
        await asyncio.sleep(_READY_SECONDS)


async def _send(session: aiohttp.ClientSession, client: Balanced, bodies: Sequence[bytes], rate: float) -> None:
    chance = random.Random(1)
    tasks: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    try:
        while True:
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not client.ready:
                client.unsent += 1
                continue
            url = chance.choice(sorted(client.ready))
            task = asyncio.create_task(_ask(session, client, url, chance.choice(bodies)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        await asyncio.gather(*tasks)


async def _ask(session: aiohttp.ClientSession, client: Balanced, url: str, body: bytes) -> None:
    sent = time.monotonic()
    failure = ""
    try:
        async with session.post(url + PATH, data=body) as answer:
            content = await answer.read()
            if answer.status != 200 or not content.startswith(b'{"score":'):
                failure = str(answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        failure = type(error).__name__
    client.requests.append(Request(sent, time.monotonic(), failure))
