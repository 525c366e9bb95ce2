"""A client that selects instances as a Kubernetes Service does: those whose ``/readyz`` answers 200."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tools.chaos.clients import PATH

# A kubelet probes about once a second, and the endpoints follow within another second.
_READY_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """Times of sending and of the response on the monotonic clock, and the failure, if any."""

    sent: float
    done: float
    failure: str


@dataclass
class BalancedClient:
    """The requests so far, and the instances that are ready."""

    ready: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    unsent: int = 0

    @property
    def failures(self) -> Counter[str]:
        """Failures by kind; a request while no instance was ready is a failure too."""
        found = Counter(request.failure for request in self.requests if request.failure)
        return found + Counter({"no instance ready": self.unsent})

    def in_flight(self, start: float, end: float) -> int:
        """Return how many requests were sent before ``end`` and unanswered at ``start``."""
        return sum(request.sent <= end and request.done >= start for request in self.requests)


@asynccontextmanager
async def balanced(urls: Sequence[str], bodies: Sequence[str], *, rate: float) -> AsyncIterator[BalancedClient]:
    """Send reviews in an open loop at ``rate`` per second during the block, then wait for the requests in flight."""
    client = BalancedClient(ready=set(urls))
    # aiohttp does not retry a POST, so each lost request is counted.
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=10)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        probes = [asyncio.create_task(_probe(session, url, client)) for url in urls]
        sending = asyncio.create_task(_send(session, client, [body.encode() for body in bodies], rate))
        try:
            yield client
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            for task in probes:
                task.cancel()
            await asyncio.gather(*probes, return_exceptions=True)
        if not sending.cancelled():
            sending.result()


async def _probe(session: aiohttp.ClientSession, url: str, client: BalancedClient) -> None:
    while True:
        try:
            async with session.get(f"{url}/readyz", headers={"Connection": "close"}) as answer:
                ready = answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            ready = False
        (client.ready.add if ready else client.ready.discard)(url)
        await asyncio.sleep(_READY_SECONDS)


async def _send(session: aiohttp.ClientSession, client: BalancedClient, bodies: Sequence[bytes], rate: float) -> None:
    generator = random.Random(1)
    tasks: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    try:
        while True:
            due += generator.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not client.ready:
                client.unsent += 1
                continue
            url = generator.choice(sorted(client.ready))
            task = asyncio.create_task(_post(session, client, url, generator.choice(bodies)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        await asyncio.gather(*tasks)


async def _post(session: aiohttp.ClientSession, client: BalancedClient, url: str, body: bytes) -> None:
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
