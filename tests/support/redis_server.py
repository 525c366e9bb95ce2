"""A real Redis, of Debian's package redis-server, that can be stopped, killed and started again where it was."""

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
    """A Redis on loopback that writes what it acknowledged to its disk first."""

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
        """Start it, and return once it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                assert time.monotonic() < deadline, "Redis was not there in time"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it without a warning."""
        self._signal(signal.SIGKILL)
        assert self._process
        self._process.wait()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def entries(self, stream: str = "predictions") -> list[dict[str, str]]:
        """What the stream holds."""
        return [entry for _, entry in self.client.xrange(stream)]

    def wait_for(self, count: int, stream: str = "predictions", seconds: float = 15) -> list[dict[str, str]]:
        """What the stream holds, once it has at least ``count`` entries."""
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
    """A Redis that runs, ended with the block; its data is in ``directory``."""
    if not PROGRAM:
        pytest.skip("there is no redis-server (Debian's package redis-server)")
    server = RedisServer(directory, *options)
    server.start()
    try:
        yield server
    finally:
        server.client.close()
        server.kill()
