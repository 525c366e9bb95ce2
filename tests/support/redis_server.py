"""A real Redis (Debian's package redis-server) that tests can freeze, kill and restart with its data."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.running import free_port

PROGRAM = shutil.which("redis-server")


class RedisServer:
    """A Redis on loopback that writes to disk before it acknowledges."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis.from_url(self.url, decode_responses=True)
        self._command = [
            *(PROGRAM or "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it responds."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                assert time.monotonic() < deadline, "Redis did not respond in time"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self._signal(signal.SIGKILL)
        assert self._process
        self._process.wait()

    def freeze(self) -> None:
        """Stop the process with SIGSTOP: connections stay open and get no response."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue the process after ``freeze``."""
        self._signal(signal.SIGCONT)

    def entries(self, stream: str = "predictions") -> list[dict[str, str]]:
        """Return the entries of a stream."""
        return [entry for _, entry in self.client.xrange(stream)]

    def wait_for(self, count: int, stream: str = "predictions", seconds: float = 15) -> list[dict[str, str]]:
        """Return the entries of a stream once it has at least ``count``."""
        deadline = time.monotonic() + seconds
        while self.client.xlen(stream) < count:
            assert time.monotonic() < deadline, f"{stream} has {self.client.xlen(stream)} entries, not {count}"
            time.sleep(0.02)
        return self.entries(stream)

    def _signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    """Run a Redis with its data in ``directory`` until the end of the block."""
    if not PROGRAM:
        pytest.skip("redis-server not found (Debian's package redis-server)")
    server = RedisServer(directory, *options)
    server.start()
    try:
        yield server
    finally:
        server.client.close()
        server.kill()
