"""One instance of the service under gunicorn, and its figures from /proc."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import aiohttp

from tests.support.running import ROOT, free_port
from tools.chaos.quota import Quota

Settings = Mapping[str, object]
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NotReadyError(Exception):
    """An instance did not become ready in time."""


class Instance:
    """A running service; ``process`` is gunicorn's master."""

    def __init__(self, port: int, process: Process, log: Path, quota: Quota | None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.log = log
        self.quota = quota

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers; none if the master has ended."""
        pid = self.process.pid
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    @property
    def processes(self) -> list[int]:
        return [self.process.pid, *self.workers]

    def cpu(self) -> float:
        """Return the CPU seconds, user and system, of the running processes."""
        return sum(_cpu(pid) for pid in self.processes)

    def memory(self) -> int:
        """Return the resident bytes of all processes; shared pages count once per process."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in self.processes)

    def descriptors(self) -> int:
        """The number of open files and sockets of all processes."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.processes)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, *, seconds: float) -> int | None:
        """Return the exit status, None when it still runs after so long."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(self.process.wait(), seconds)
        return None


@asynccontextmanager
async def serving(
    bundle: Path, *, log: Path, cores: float | None = None, settings: Settings = MappingProxyType({})
) -> AsyncIterator[Instance]:
    """A service that is ready; ended with the block, by force if need be.

    ``settings`` are ``SCORER_`` variables without the prefix; ``cores`` bounds its CPU once it is ready.
    """
    instance = await start(bundle, log=log, cores=cores, settings=settings)
    try:
        yield instance
    finally:
        await stop(instance)


async def start(
    bundle: Path, *, log: Path, cores: float | None, port: int = 0, settings: Settings = MappingProxyType({})
) -> Instance:
    """Start a service and return it when it is ready; the caller stops it."""
    port = port or free_port()
    given: dict[str, object] = {"BUNDLE": bundle, "PORT": port, "WORKERS": 2, **settings}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    environ |= {f"SCORER_{name}": str(value) for name, value in given.items()}
    # With a quota, other instances are measured at the same time, so this one starts at low priority.
    nice = ["nice", "-n", "19"] if cores else []
    command = [*nice, sys.executable, "-m", "gunicorn", "-c", "service/gunicorn.conf.py"]
    quota = Quota(cores) if cores else None
    with log.open("a") as output:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=output, stderr=STDOUT)
    instance = Instance(port, process, log, quota)
    try:
        await until_ready([instance.url])
        for pid in instance.processes if quota else ():
            os.setpriority(os.PRIO_PROCESS, pid, 0)
            quota.add(pid)  # type: ignore[union-attr]
    except BaseException:
        await stop(instance)
        raise
    return instance


async def stop(instance: Instance) -> None:
    """Stop an instance by its process ids: TERM twice (the second skips draining), then KILL."""
    pids = instance.processes
    if instance.process.returncode is None:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                instance.process.send_signal(number)
            if await instance.ended(seconds=0.5 if number == signal.SIGTERM else 5) is not None:
                break
    for pid in pids[1:]:
        await _wait_ended(pid)
    if instance.quota:
        instance.quota.remove()
        instance.quota = None


async def until_ready(urls: Sequence[str], *, seconds: float = 30) -> None:
    """Wait until ``/readyz`` of all URLs answers 200."""
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        for url in urls:
            while not await _ready(session, url):
                if time.monotonic() > deadline:
                    raise NotReadyError(f"{url} was not ready after {seconds:g} s")
                await asyncio.sleep(0.05)


async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _wait_ended(pid: int, *, seconds: float = 5) -> None:
    """Wait for a worker to end, as it does without its master; kill it after ``seconds``."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
