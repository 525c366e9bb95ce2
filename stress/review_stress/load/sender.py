"""Sender process: sends requests on schedule and reports their outcomes.

``senders.py`` starts it. Standard input has lines of JSON: the configuration, then stages and ``{"stop": true}``.
Standard output has frames of one letter, a length and a payload: E (ready), R (records), S (state of the sender),
D (stage finished).
"""

import asyncio
import ctypes
import errno
import json
import math
import os
import random
import resource
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterable
from typing import Any

import aiohttp
import uvloop
from yarl import URL

from review_stress.load.profiles import Segment, arrivals
from review_stress.measurement.outcomes import ABANDONED, INVALID, REFUSED, RESET, TIMEOUT, UNSENT, judge
from review_stress.measurement.sender_protocol import FRAME

FLUSH_SECONDS = 0.1
LAG_SECONDS = 0.02
STOP_SECONDS = 1.0
# Errors of this machine, not the target.
LOCAL_ERRORS = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}

clock = time.monotonic


class _Timespec(ctypes.Structure):
    _fields_ = (("interval", ctypes.c_long * 2), ("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Timer:
    """Precise timer on the monotonic clock for one waiter.

    The timers of an event loop round up to whole milliseconds, which would count as latency of the target. Linux's
    timerfd is about 40 µs late instead (measured: mean 551 µs against 43 µs under uvloop).
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._expired)

    async def until(self, when: float) -> None:
        """Wait until ``when``, or until cancelled."""
        self._waiter = self._loop.create_future()
        if self._fd >= 0:
            due = _Timespec((0, 0), int(when), max(1, int(when % 1 * 1e9)))
            self._libc.timerfd_settime(self._fd, 1, ctypes.byref(due), None)
        else:
            self._loop.call_later(max(0.0, when - clock()), self.cancel)
        await self._waiter

    def cancel(self) -> None:
        """Wake the waiter now."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _expired(self) -> None:
        # Nothing to read: the timer was set again after it expired.
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self.cancel()


class Sender:
    """Sends the requests of one stage after another; ``records`` holds their outcomes until they are collected."""

    def __init__(self, session: aiohttp.ClientSession, config: dict[str, Any]) -> None:
        self._session = session
        self._url = URL(config["url"], encoded=True)
        self._bodies = [body.encode() for body in config["bodies"]]
        self._batch: int = config["batch"]
        self._timeout: float = config["timeout"]
        self._slots: int = config["connections"]
        self._choose = random.Random(f"{config['seed']} {config['part']}").randrange  # noqa: S311
        self._timer = Timer()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[float, float]] = deque()
        self._origin = 0.0
        self.stopped = False
        self.records = array("d")

    async def stage(self, stage: dict[str, Any]) -> None:
        """Run a stage; return when all its requests are finished."""
        self._origin = stage["origin"]
        if stage["kind"] == "open":
            await self._open(stage)
        else:
            await self._closed(stage)
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=0.1)

    def stop(self) -> None:
        """Send nothing more; what has no answer after a moment is abandoned."""
        self.stopped = True
        self._timer.cancel()
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._abandon)

    @property
    def pending(self) -> int:
        """How many requests are under way or wait for a free connection."""
        return len(self._tasks) + len(self._waiting)

    def _abandon(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _open(self, stage: dict[str, Any]) -> None:
        segments = [Segment(*piece) for piece in stage["segments"]]
        due_times = arrivals(
            segments, part=stage["part"], parts=stage["parts"], poisson=stage["poisson"], seed=stage["seed"]
        )
        overdue = 0
        for seconds in due_times:
            due = stage["start"] + seconds
            if due > clock():
                await self._timer.until(due)
                overdue = 0
            else:
                overdue += 1
                if overdue % 8 == 0:  # let responses be read while the sender is behind schedule
                    await asyncio.sleep(0)
            if self.stopped:
                return
            if len(self._tasks) < self._slots:
                self._spawn(self._serve(due, clock()))
            else:
                self._waiting.append((due, clock()))

    async def _closed(self, stage: dict[str, Any]) -> None:
        await self._timer.until(stage["start"])
        end = stage["start"] + stage["seconds"] if stage["seconds"] else math.inf
        numbers = iter(range(stage["count"])) if stage["count"] else None
        for _ in range(stage["workers"]):
            self._spawn(self._repeat(end, numbers))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, due: float, woken: float) -> None:
        """Send one request, then those that waited for a connection."""
        while True:
            await self._send(due, woken, self._bodies[self._choose(len(self._bodies))])
            while self._waiting:
                due, woken = self._waiting.popleft()
                if clock() - due <= self._timeout and not self.stopped:
                    break
                self._record(due, woken, math.nan, clock(), UNSENT, 0)
            else:
                return

    async def _repeat(self, end: float, numbers: Iterable[int] | None) -> None:
        """Send requests sequentially until ``end`` or until there are no more numbers."""
        if numbers is not None:
            for number in numbers:
                if self.stopped:
                    return
                await self._send(now := clock(), now, self._bodies[number % len(self._bodies)])
            return
        while (now := clock()) < end and not self.stopped:
            await self._send(now, now, self._bodies[self._choose(len(self._bodies))])

    async def _send(self, due: float, woken: float, body: bytes) -> None:
        sent = clock()
        code = 0
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                content = await response.read()
                done = clock()
                code = response.status
                retry = "Retry-After" in response.headers
            outcome = judge(code, content, retry_after=retry, batch=self._batch)
        except asyncio.CancelledError:
            self._record(due, woken, sent, clock(), ABANDONED, 0)
            return
        except TimeoutError:
            done, outcome = clock(), TIMEOUT
        except (aiohttp.ClientError, OSError, ValueError) as error:
            done = clock()
            outcome, code = _failure(error)
        self._record(due, woken, math.nan if outcome == UNSENT else sent, done, outcome, code)

    def _record(self, due: float, woken: float, sent: float, done: float, outcome: int, code: int) -> None:
        origin = self._origin
        self.records.extend((due - origin, woken - origin, sent - origin, done - origin, outcome, code))


def _failure(error: Exception) -> tuple[int, int]:
    """Return the outcome and errno of a request without a response."""
    code = (error.errno or 0) if isinstance(error, OSError) else 0
    if code in LOCAL_ERRORS:
        return UNSENT, code
    if isinstance(error, aiohttp.ClientConnectorError):
        return REFUSED, code
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, OSError)):
        return RESET, code
    return INVALID, 0


class Reporter:
    """Writes frames to standard output without blocking the event loop."""

    def __init__(self, pipe: asyncio.WriteTransport) -> None:
        self._pipe = pipe
        self._lags = array("d")

    def frame(self, letter: bytes, payload: bytes = b"") -> None:
        """Write one frame."""
        self._pipe.write(FRAME.pack(letter, len(payload)) + payload)

    def flush(self, sender: Sender) -> None:
        """Write the records and the state."""
        if sender.records:
            self.frame(b"R", sender.records.tobytes())
            sender.records = array("d")
        state = {"pending": sender.pending, "cpu": time.process_time(), "clock": clock(), "lags": self._lags.tolist()}
        self.frame(b"S", json.dumps(state).encode())
        self._lags = array("d")

    async def keep_flushing(self, sender: Sender) -> None:
        """Flush periodically, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush(sender)

    async def watch_lag(self) -> None:
        """Measure the lag of the event loop periodically, until cancelled."""
        while True:
            due = clock() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._lags.append(max(0.0, clock() - due))


async def serve() -> None:
    """Execute the commands on standard input until it ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=1 << 30)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    pipe, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    reporter = Reporter(pipe)
    config = json.loads(await commands.readline())
    connector = aiohttp.TCPConnector(limit=0, force_close=not config["reuse"], ttl_dns_cache=300)
    session = aiohttp.ClientSession(
        connector=connector,
        headers=config["headers"],
        skip_auto_headers=("User-Agent",),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        timeout=aiohttp.ClientTimeout(total=config["timeout"]),
    )
    async with session:
        sender = Sender(session, config)
        background = [loop.create_task(reporter.keep_flushing(sender)), loop.create_task(reporter.watch_lag())]
        reporter.frame(b"E")
        stage: asyncio.Task[None] | None = None

        def done(task: asyncio.Task[None]) -> None:
            reporter.flush(sender)
            if not task.cancelled() and (error := task.exception()):
                print(f"sender: {error!r}", file=sys.stderr)
            reporter.frame(b"D")

        while line := await commands.readline():
            command = json.loads(line)
            if command.get("stop"):
                sender.stop()
            else:
                stage = loop.create_task(sender.stage(command))
                stage.add_done_callback(done)
        for task in [*background, *([stage] if stage else [])]:
            task.cancel()
    pipe.close()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve())
