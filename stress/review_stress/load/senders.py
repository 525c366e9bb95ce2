"""The sender processes: started, told what to send, listened to, ended."""

import asyncio
import json
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from review_stress.measurement.records import FRAME

Heard = Callable[[int, "array[float]"], None]


class SenderError(Exception):
    """A sender process ended by itself."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What all the senders send, and how."""

    url: str
    bodies: Sequence[str]
    batch: int = 0
    headers: Mapping[str, str]
    timeout: float = 10
    connections: int = 256
    reuse: bool = True
    seed: int = 1


class State:
    """What a sender says of itself."""

    def __init__(self) -> None:
        self.pending = 0
        self.lags: list[float] = []
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def hear(self, said: dict[str, Any]) -> None:
        """Take in a state frame."""
        self.pending = said["pending"]
        self.lags.extend(said["lags"])
        self._last = (said["cpu"], said["clock"])
        self._first = self._first or self._last

    def start(self) -> None:
        """Forget what was before the load."""
        self.lags.clear()
        self._first = None

    @property
    def cpu(self) -> float:
        """The share of one core that the process used."""
        if not self._first or self._last[1] <= self._first[1]:
            return 0.0
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])


class Senders:
    """Some sender processes that work as one."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._processes: list[asyncio.subprocess.Process] = []
        self._listeners: list[asyncio.Task[None]] = []
        self._turns: list[asyncio.Queue[bytes]] = []
        self.states: list[State] = []

    async def start(self, count: int, config: Config) -> None:
        """Start ``count`` processes and return when all are ready."""
        for part in range(count):
            # In a session of its own: Ctrl-C is for the one who waits for the answers.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "review_stress.load.sender",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            self._processes.append(process)
            self._turns.append(asyncio.Queue())
            self.states.append(State())
            self._listeners.append(asyncio.create_task(self._listen(part, process)))
            share = max(1, config.connections // count + (part < config.connections % count))
            self._tell(process, asdict(config) | {"part": part, "connections": share})
        await self._all(b"E")

    async def run(self, stages: Sequence[dict[str, Any]]) -> None:
        """Give every process its stage; return when all are done."""
        for process, stage in zip(self._processes, stages, strict=True):
            self._tell(process, stage)
        await self._all(b"D")

    def stop(self) -> None:
        """Send nothing more; ``run`` returns soon."""
        for process in self._processes:
            self._tell(process, {"stop": True})

    async def close(self) -> None:
        """End the processes."""
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
    def _tell(process: asyncio.subprocess.Process, command: dict[str, Any]) -> None:
        if process.stdin and not process.stdin.is_closing():
            process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _all(self, letter: bytes) -> None:
        for turn in self._turns:
            if await turn.get() != letter:
                raise SenderError("a sender process ended by itself")

    async def _listen(self, part: int, process: asyncio.subprocess.Process) -> None:
        stream = process.stdout
        assert stream
        try:
            while True:
                letter, length = FRAME.unpack(await stream.readexactly(FRAME.size))
                payload = await stream.readexactly(length)
                if letter == b"R":
                    self._heard(part, array("d", payload))
                elif letter == b"S":
                    self.states[part].hear(json.loads(payload))
                else:
                    self._turns[part].put_nowait(letter)
        except asyncio.IncompleteReadError:
            self._turns[part].put_nowait(b"")
