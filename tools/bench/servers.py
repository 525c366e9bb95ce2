"""The three sides as servers on loopback: started, asked, and looked at from outside through /proc."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.running import GUNICORN, ROOT, environment, free_port
from tools.bench.children import one_thread
from tools.bench.figures import OBVIOUS, OBVIOUS_CODE, OURS, SIDES
from tools.bench.plan import Plan

PATH = "/api/1/users"
HEADERS = {"Content-Type": "application/json"}
POLL_SECONDS, PATIENCE_SECONDS = 0.002, 60.0
# A server at rest takes less than this share of a core.
SETTLE_SECONDS, IDLE = 0.2, 0.05


class ServerError(Exception):
    """A server did not do what it was started for."""


class RefusedError(ServerError):
    """A server had too much to do: status 503."""


class UnauthorizedError(ServerError):
    """A server wants a key: status 401."""


class Server:
    """A running server, by its port and its processes."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def url(self) -> str:
        """Where it takes reviews."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def pid(self) -> int:
        """The process that was started; gunicorn's master."""
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the processes that it started, the oldest first."""
        return sorted(int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())

    def cpu(self) -> float:
        """Return the seconds, user's and system's, that all its processes have spent on a core."""
        threads = (task for pid in [self.pid, *self.workers()] for task in Path(f"/proc/{pid}/task").iterdir())
        # Nanoseconds, where /proc/PID/stat counts hundredths of a second.
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def wait(self, body: str) -> None:
        """Return at the first answer with status 200, 401 where keys are wanted; raise ``ServerError`` if none is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                post(self.port, body)
            except UnauthorizedError:
                return
            except (OSError, RefusedError):
                time.sleep(POLL_SECONDS)
            else:
                return
        raise ServerError(f"{self._process.args!r} does not serve")

    def settle(self, workers: int) -> None:
        """Return when all workers are there and none of them is still starting."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(SETTLE_SECONDS)
            if len(self.workers()) == workers and self.cpu() - before < IDLE * SETTLE_SECONDS:
                return
        raise ServerError(f"{self._process.args!r} has {len(self.workers())} of {workers} workers, or does not rest")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def post(port: int, body: str) -> bytes:
    """Return the answer to one request over a connection of its own; raise ``ServerError`` if it is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", PATH, body.encode(), HEADERS)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        refused = {401: UnauthorizedError, 503: RefusedError}.get(answer.status, ServerError)
        raise refused(f"status {answer.status}: {content[:200]!r}")
    return content


def start(side: str, plan: Plan, *, workers: int = 2, **more: str) -> Server:
    """Start a side's server without waiting for it; only ours knows ``workers`` and ``more`` settings."""
    port = free_port()
    nowhere = subprocess.DEVNULL  # what a line a request costs least
    if side == OURS:
        settings = {"PORT": str(port), "WORKERS": str(workers), "DRAIN_SECONDS": "0", "MAX_BYTES": str(1 << 28)}
        env = environment(plan.bundle, **settings, **more)
        return Server(subprocess.Popen(GUNICORN, cwd=ROOT, env=env, stdout=nowhere, stderr=nowhere, text=True), port)
    scripts = {
        OBVIOUS: ["-m", "tools.bench.baseline_server", "--model", str(plan.obvious)],
        OBVIOUS_CODE: ["-m", "tools.bench.obvious_code_server", "--bundle", str(plan.bundle)],
    }
    command = [sys.executable, *scripts[side], "--port", str(port)]
    return Server(
        subprocess.Popen(command, cwd=ROOT, env=one_thread(), stdout=nowhere, stderr=nowhere, text=True), port
    )


@contextmanager
def serving(side: str, plan: Plan, *, workers: int = 2, **more: str) -> Iterator[Server]:
    """A side's server that answers, ended with the block."""
    server = start(side, plan, workers=workers, **more)
    try:
        server.wait(plan.first)
        server.settle(workers if side == OURS else 0)
        yield server
    finally:
        server.stop()


@contextmanager
def all_serving(plan: Plan) -> Iterator[Mapping[str, Server]]:
    """Every side's server, each idle while another one is measured."""
    with ExitStack() as stack:
        yield {side: stack.enter_context(serving(side, plan)) for side in SIDES}
