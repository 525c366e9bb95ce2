"""A small machine: a control group that gives what runs in it only so much CPU.

So one client on the same machine can really offer three times what the server holds. The server itself, its reviews and
its code stay what they are.
"""

import itertools
import os
import time
from pathlib import Path

# The kernel's default of 100 ms would stall the server for most of it, and that would be measured as its latency.
PERIOD_US = 4_000
_ROOT = Path("/sys/fs/cgroup")
_NUMBERS = itertools.count()


class QuotaError(Exception):
    """No control group can be made here; the message says what was tried."""


class Quota:
    """A control group of its own with ``cores`` of CPU; to make one takes the right to (root)."""

    def __init__(self, cores: float) -> None:
        name, allowed = f"review-scorer-chaos-{os.getpid()}-{next(_NUMBERS)}", round(cores * PERIOD_US)
        try:
            if (_ROOT / "cgroup.controllers").exists():
                (_ROOT / "cgroup.subtree_control").write_text("+cpu")
                settings = {"cpu.max": f"{allowed} {PERIOD_US}"}
                self._folder = _ROOT / name
            else:
                settings = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(allowed)}
                self._folder = _ROOT / "cpu" / name
            self._folder.mkdir()
            for setting, value in settings.items():
                (self._folder / setting).write_text(value)
        except OSError as error:
            reason = f"no control group for CPU can be made: {error}; run as root on a machine of its own"
            raise QuotaError(reason) from None

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
