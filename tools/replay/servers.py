"""The service of a checkout and a Redis, each in its own process on a free loopback port."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.replay.cases.access import keys_file
from tools.replay.requests import Setup

Address = tuple[str, int]

PREFIX = "SCORER_"
"""The start of the name of each setting."""

_SECONDS = 30.0
# One worker, so that all requests see the same state; a long queue timeout, as the machine may be busy.
_ALWAYS = {"WORKERS": "1", "DRAIN_SECONDS": "0", "QUEUE_TIMEOUT": "5"}


class ServerError(Exception):
    """A server did not start; the message has its output."""


@contextmanager
def serving(
    checkout: Path, bundle: Path, setup: Setup, names: Mapping[str, str]
) -> Iterator[tuple[Address, Address | None]]:
    """Yield the addresses of the service and of its Redis; stop both afterwards.

    ``names`` maps settings to the names they have in that checkout; a setting that is not in it keeps its own.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="replay-")))
        values = {"keys": str(folder / "keys"), "bundle": str(bundle), "redis": ""}
        (folder / "keys").write_text(keys_file(), encoding="ascii")
        store = None
        if "{redis}" in setup.settings.values():
            store = stack.enter_context(_redis(folder))
            values["redis"] = f"redis://127.0.0.1:{store[1]}/0"
        address = "127.0.0.1", _free_port()
        settings = {"HOST": address[0], "PORT": str(address[1]), "BUNDLE": str(bundle), **_ALWAYS, **setup.settings}
        environ = _environ({names.get(name, name): value.format_map(values) for name, value in settings.items()})
        command = [str(checkout / ".venv/bin/gunicorn"), "-c", "service/gunicorn.conf.py"]
        process = stack.enter_context(_running(command, folder / "log", cwd=checkout, env=environ))
        _wait(lambda: _status(address) == 200, process, folder / "log")
        if setup.draining:
            process.send_signal(signal.SIGTERM)
            _wait(lambda: _status(address) == 503, process, folder / "log")
        yield address, store


def _environ(settings: Mapping[str, str]) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "OTEL_", "PYTHON"))}
    own = {f"{PREFIX}{name}": value for name, value in settings.items()}
    return environ | own | {"PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def _redis(folder: Path) -> Iterator[Address]:
    program = shutil.which("redis-server")
    if not program:
        raise ServerError("redis-server is not installed (Debian's package redis-server)")
    address = "127.0.0.1", _free_port()
    command = [program, "--port", str(address[1]), "--bind", address[0], "--dir", str(folder), "--save", ""]
    with _running(command, folder / "redis-log") as process:
        _wait(lambda: _listens(address), process, folder / "redis-log")
        yield address


@contextmanager
def _running(
    command: list[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"the server did not start: {log.read_text(errors='replace')}")
        time.sleep(0.1)


def _status(address: Address) -> int:
    """Return the status of the readiness probe, or 0 without a response."""
    try:
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return int(connection.recv(65_536)[9:12] or b"0")
    except OSError:
        return 0


def _listens(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
