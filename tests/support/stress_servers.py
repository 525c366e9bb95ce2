"""Loopback servers with known faults, and functions that run the stress tool against them."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.running import ROOT

SCORE = b'{"score":4.5}'
TOOL = ROOT / "stress" / "stress-testing.py"


@dataclass
class Request:
    """A received request; number 0 is the preflight request."""

    number: int
    body: bytes
    headers: dict[str, str]
    connection: int
    line: str = ""


@dataclass
class Answer:
    """A response; ``raw`` bytes replace it, ``reset`` resets the connection."""

    body: bytes = SCORE
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    reset: bool = False
    close: bool = False


Behaviour = Callable[[Request], Awaitable[Answer]]


@dataclass
class Running:
    """A server in its own thread."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list)
    most_connections: int = 0
    close_listener: Callable[[], None] = lambda: None


class _Server:
    def __init__(self, behaviour: Behaviour, running: Running) -> None:
        self._behaviour = behaviour
        self._running = running
        self._connections = 0
        self._open = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._open += 1
        self._running.most_connections = max(self._running.most_connections, self._open)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer, self._connections)
        finally:
            self._open -= 1
            with suppress(OSError, RuntimeError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            request = Request(len(self._running.requests), body, headers, connection, lines[0])
            self._running.requests.append(request)
            answer = await self._behaviour(request)
            if answer.reset:
                # Zero linger time: closing sends a reset.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if answer.raw is not None:
                writer.write(answer.raw)
                return
            head = {"Content-Type": "application/json", "Content-Length": str(len(answer.body)), **answer.headers}
            fields = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            writer.write(f"HTTP/1.1 {answer.status} Known\r\n{fields}\r\n".encode() + answer.body)
            if answer.close or headers.get("connection") == "close":
                return


@contextmanager
def answering(behaviour: Behaviour) -> Iterator[Running]:
    """Yield a loopback HTTP server that answers with ``behaviour``."""
    # In its own thread, since the driver of a browser may run an event loop in this one.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Running("", 0)
    start = asyncio.start_server(_Server(behaviour, running).connected, "127.0.0.1", 0, backlog=1024)
    server = asyncio.run_coroutine_threadsafe(start, loop).result(10)
    running.port = server.sockets[0].getsockname()[1]
    running.url = f"http://127.0.0.1:{running.port}/api/1/users"
    running.close_listener = server.close
    try:
        yield running
    finally:
        asyncio.run_coroutine_threadsafe(_finish(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _finish(server: asyncio.Server) -> None:
    server.close()
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@dataclass
class Outcome:
    """Exit status, report and output of the tool."""

    status: int
    report: dict[str, Any]
    output: str
    errors: str


def command(*arguments: object, kubernetes: bool = False) -> list[str]:
    """Return the command line of the tool."""
    words = [str(argument) for argument in arguments]
    return [sys.executable, "-W", "error", str(TOOL), *words, *([] if kubernetes else ["--no-kubernetes"])]


def environment(**more: str) -> dict[str, str]:
    """Return an environment without a cluster or a default target."""
    names = {"DOCKER", "JOB_COMPLETION_INDEX", "STRESS_SHARES", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | {"KUBECONFIG": "/nonexistent", "COLUMNS": "200"} | more


def stress(folder: Path, *arguments: object, kubernetes: bool = False, **environ: str) -> Outcome:
    """Run the tool."""
    path = folder / "report.json"
    done = subprocess.run(
        command(*arguments, "--json", path, kubernetes=kubernetes),
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Outcome(done.returncode, report, done.stdout, done.stderr)


def interrupted(folder: Path, *arguments: object, after: float) -> Outcome:
    """Run the tool and send SIGINT after some seconds."""
    path = folder / "report.json"
    process = subprocess.Popen(
        command(*arguments, "--json", path),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Outcome(process.returncode, report, output, errors)


TRIVIAL = """
import asyncio, sys, uvloop
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 13\\r\\n\\r\\n" + b'{"score":4.5}'
class Trivial(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        self.rest += data
        while True:
            head, end, after = self.rest.partition(b"\\r\\n\\r\\n")
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15:].split(b"\\r\\n", 1)[0]) if at >= 0 else 0
            if not end or len(after) < length:
                return
            self.rest = after[length:]
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


@contextmanager
def trivial() -> Iterator[str]:
    """Yield the URL of a minimal server in its own process."""
    process = subprocess.Popen([sys.executable, "-c", TRIVIAL], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


def complete(
    report: dict[str, Any],
    outcomes: Sequence[str] = ("ok", "shed", "http_error", "invalid", "refused", "reset", "timeout"),
) -> None:
    """Assert that the counts add up, in total and in each window."""
    for counts in (report, *report["timeline"]):
        assert set(counts["outcomes"]) == set(outcomes)
        assert counts["offered"] == counts["sent"] + counts["unsent"]
        assert counts["sent"] == sum(counts["outcomes"].values()) + counts["abandoned"]
    for name in ("offered", "sent", "late", "unsent"):
        assert report[name] == sum(row[name] for row in report["timeline"]), name
