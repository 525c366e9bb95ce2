"""A small machine: a control group that gives what runs in it only so much CPU.

So one client on the same machine can really offer three times what the server holds. The server itself, its reviews and
its code stay what they are.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The kernel's default of 100 ms would stall the server for most of it, and that would be measured as its latency.
PERIOD_US = 4_000
_ROOT = Path("/sys/fs/cgroup")


class QuotaError(Exception):
    """No control group can be made here; the message says what was tried."""


class Quota:
    """A control group of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, pid: int) -> None:
        """Put a process in; children that it starts from now on are in it too."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def remove(self, *, seconds: float = 5) -> None:
        """Remove it; the last process that ended may take a moment to leave."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


@contextmanager
def quota(cores: float) -> Iterator[Quota]:
    """A group that has ``cores`` of CPU, removed with the block; wants the right to make one (root)."""
    name = f"review-scorer-chaos-{os.getpid()}"
    allowed = round(cores * PERIOD_US)
    try:
        if (_ROOT / "cgroup.controllers").exists():
            (_ROOT / "cgroup.subtree_control").write_text("+cpu")
            settings = {"cpu.max": f"{allowed} {PERIOD_US}"}
            folder = _ROOT / name
        else:
            settings = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(allowed)}
            folder = _ROOT / "cpu" / name
        folder.mkdir()
    except OSError as error:
        raise QuotaError(
            f"no control group for CPU can be made: {error}; run as root on a machine of its own"
        ) from None
    made = Quota(folder)
    try:
        for setting, value in settings.items():
            (folder / setting).write_text(value)
        yield made
    finally:
        made.remove()
