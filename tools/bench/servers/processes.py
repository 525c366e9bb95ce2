"""The three sides as servers on loopback, measured from outside through /proc."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.running import GUNICORN, ROOT, environment, free_port
from tools.bench.figures import BASELINE, BASELINE_CODE, SERVICE, SIDES
from tools.bench.plan import Plan
from tools.bench.servers.child import one_thread

PATH = "/api/1/users"
HEADERS = {"Content-Type": "application/json"}
POLL_SECONDS, TIMEOUT_SECONDS = 0.002, 60.0
# An idle server uses less than this share of a core.
SETTLE_SECONDS, IDLE = 0.2, 0.05


class ServerError(Exception):
    """A server did not start, or a request to it failed."""


class RefusedError(ServerError):
    """The server is overloaded (status 503)."""


class UnauthorizedError(ServerError):
    """The server requires an API key (status 401)."""


class Server:
    """A running server: its port and its processes."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def url(self) -> str:
        """The URL that scores reviews."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def pid(self) -> int:
        """The id of the started process: gunicorn's master."""
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the ids of its child processes, oldest first."""
        return sorted(int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())

    def cpu(self) -> float:
        """Return the CPU seconds (user and system) of all its processes."""
        threads = (task for pid in [self.pid, *self.workers()] for task in Path(f"/proc/{pid}/task").iterdir())
        # In nanoseconds; /proc/PID/stat has a resolution of 10 ms.
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def wait(self, body: str) -> None:
        """Wait for a response with status 200, or 401 from a server with API keys; raise ``ServerError`` after 60 s."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                post(self.port, body)
            except UnauthorizedError:
                return
            except (OSError, RefusedError):
                time.sleep(POLL_SECONDS)
            else:
                return
        raise ServerError(f"{self._process.args!r} did not start")

    def settle(self, workers: int) -> None:
        """Wait until all workers run and the server is idle."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(SETTLE_SECONDS)
            if len(self.workers()) == workers and self.cpu() - before < IDLE * SETTLE_SECONDS:
                return
        raise ServerError(f"{self._process.args!r} has {len(self.workers())} of {workers} workers, or is not idle")

    def stop(self) -> None:
        """Terminate the server."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def post(port: int, body: str) -> bytes:
    """Return the body of the response to one request on its own connection; raise ``ServerError`` if it is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
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
    """Start the server of a side without waiting; ``workers`` and ``more`` are settings of the service."""
    port = free_port()
    nowhere = subprocess.DEVNULL  # the cheapest log
    if side == SERVICE:
        settings = {"PORT": str(port), "WORKERS": str(workers), "DRAIN_SECONDS": "0", "MAX_BYTES": str(1 << 28)}
        env = environment(plan.bundle, **settings, **more)
        return Server(subprocess.Popen(GUNICORN, cwd=ROOT, env=env, stdout=nowhere, stderr=nowhere, text=True), port)
    scripts = {
        BASELINE: ["-m", "tools.bench.servers.baseline_server", "--model", str(plan.baseline)],
        BASELINE_CODE: ["-m", "tools.bench.servers.baseline_code_server", "--bundle", str(plan.bundle)],
    }
    command = [sys.executable, *scripts[side], "--port", str(port)]
    return Server(
        subprocess.Popen(command, cwd=ROOT, env=one_thread(), stdout=nowhere, stderr=nowhere, text=True), port
    )


@contextmanager
def serving(side: str, plan: Plan, *, workers: int = 2, **more: str) -> Iterator[Server]:
    """Yield a ready server of a side; stop it afterwards."""
    server = start(side, plan, workers=workers, **more)
    try:
        server.wait(plan.first)
        server.settle(workers if side == SERVICE else 0)
        yield server
    finally:
        server.stop()


@contextmanager
def all_serving(plan: Plan) -> Iterator[Mapping[str, Server]]:
    """Yield the servers of all sides; each is idle while another is measured."""
    with ExitStack() as stack:
        yield {side: stack.enter_context(serving(side, plan)) for side in SIDES}
