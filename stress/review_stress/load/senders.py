"""Control of the sender processes."""

import asyncio
import json
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from review_stress.measurement.sender_protocol import FRAME

OnRecords = Callable[[int, "array[float]"], None]


class SenderError(Exception):
    """A sender process ended unexpectedly."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Requests of all senders, and how they are sent."""

    url: str
    bodies: Sequence[str]
    batch: int = 0
    headers: Mapping[str, str]
    timeout: float = 10
    connections: int = 256
    reuse: bool = True
    seed: int = 1


class SenderState:
    """State reported by a sender process."""

    def __init__(self) -> None:
        self.pending = 0
        self.lags: list[float] = []
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def update(self, state: dict[str, Any]) -> None:
        """Update from a state frame."""
        self.pending = state["pending"]
        self.lags.extend(state["lags"])
        self._last = (state["cpu"], state["clock"])
        self._first = self._first or self._last

    def start(self) -> None:
        """Reset at the start of the load."""
        self.lags.clear()
        self._first = None

    @property
    def cpu(self) -> float:
        """The CPU usage of the process as a share of one core."""
        if not self._first or self._last[1] <= self._first[1]:
            return 0.0
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])


class Senders:
    """A group of sender processes."""

    def __init__(self, on_records: OnRecords) -> None:
        self._on_records = on_records
        self._processes: list[asyncio.subprocess.Process] = []
        self._listeners: list[asyncio.Task[None]] = []
        self._events: list[asyncio.Queue[bytes]] = []
        self.states: list[SenderState] = []

    async def start(self, count: int, config: Config) -> None:
        """Start ``count`` processes and wait until all are ready."""
        for part in range(count):
            # In its own session, so that only this process gets Ctrl-C.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "review_stress.load.sender",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            self._processes.append(process)
            self._events.append(asyncio.Queue())
            self.states.append(SenderState())
            self._listeners.append(asyncio.create_task(self._listen(part, process)))
            share = max(1, config.connections // count + (part < config.connections % count))
            self._command(process, asdict(config) | {"part": part, "connections": share})
        await self._wait_all(b"E")

    async def run(self, stages: Sequence[dict[str, Any]]) -> None:
        """Run one stage in each process; return when all have finished."""
        for process, stage in zip(self._processes, stages, strict=True):
            self._command(process, stage)
        await self._wait_all(b"D")

    def stop(self) -> None:
        """Stop sending; ``run`` returns soon."""
        for process in self._processes:
            self._command(process, {"stop": True})

    async def close(self) -> None:
        """End the sender processes."""
        for process in self._processes:
            if process.stdin and process.returncode is None:
                process.stdin.close()
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    @staticmethod
    def _command(process: asyncio.subprocess.Process, command: dict[str, Any]) -> None:
        if process.stdin and not process.stdin.is_closing():
            process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _wait_all(self, letter: bytes) -> None:
        for event in self._events:
            if await event.get() != letter:
                raise SenderError("a sender process ended unexpectedly")

    async def _listen(self, part: int, process: asyncio.subprocess.Process) -> None:
        stream = process.stdout
        assert stream
        try:
            while True:
                letter, length = FRAME.unpack(await stream.readexactly(FRAME.size))
                payload = await stream.readexactly(length)
                if letter == b"R":
                    self._on_records(part, array("d", payload))
                elif letter == b"S":
                    self.states[part].update(json.loads(payload))
                else:
                    self._events[part].put_nowait(letter)
        except asyncio.IncompleteReadError:
            self._events[part].put_nowait(b"")
