"""The real service in its own process."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
CONFIGURATION = "service/gunicorn.conf.py"
GUNICORN = (sys.executable, "-m", "gunicorn", "-c", CONFIGURATION)


class Server:
    """A running service with a client."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process
        self.client = httpx.Client(base_url=url, timeout=10)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def peak_memory(process: int) -> int:
    """Return the peak resident memory of a process in bytes."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return 1024 * int(kilobytes)


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(bundle: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a server; ``settings`` are ``SCORER_`` variables without the prefix."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    return environ | {"SCORER_BUNDLE": str(bundle), **{f"SCORER_{name}": value for name, value in settings.items()}}


def gunicorn(bundle: Path, *, configuration: str = CONFIGURATION, **settings: str) -> subprocess.Popen[str]:
    """Start the server as the image does; see ``environment``."""
    return subprocess.Popen(
        [*GUNICORN[:-1], configuration],
        cwd=ROOT,
        env=environment(bundle, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def serving(bundle: Path, **settings: str) -> Iterator[Server]:
    """Yield a ready server; stop it afterwards."""
    port = free_port()
    process = gunicorn(bundle, **{"PORT": str(port), "WORKERS": "2", "DRAIN_SECONDS": "0", **settings})
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_ready(server)
        yield server
    finally:
        server.client.close()
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def wait_ready(server: Server, seconds: float = 30) -> None:
    """Wait until the server is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"the server exited: {server.process.communicate()[0]}")
        try:
            if server.client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server was not ready after {seconds:g} s")


def wait_for_workers(server: Server, *, without: Collection[int] = (), seconds: float = 15) -> list[int]:
    """Wait for two workers, none of them in ``without``; return their process ids."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = server.workers()
        if len(now) == 2 and not set(now) & set(without):
            return now
        time.sleep(0.05)
    raise AssertionError(f"there were no two workers after {seconds:g} s")
