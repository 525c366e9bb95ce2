"""CPU quota by a control group, so that a client on the same machine can offer three times the server's capacity."""

import itertools
import os
import time
from pathlib import Path

# With the kernel's default of 100 ms, the throttling itself would dominate the measured latency.
PERIOD_US = 4_000
_ROOT = Path("/sys/fs/cgroup")
_NUMBERS = itertools.count()


class QuotaError(Exception):
    """A control group cannot be created here."""


class Quota:
    """A control group with a quota of ``cores`` cores; creating it requires root."""

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
            reason = f"cannot create a CPU control group: {error}; run as root, outside of a container"
            raise QuotaError(reason) from None

    def add(self, pid: int) -> None:
        """Add a process; its future children are included."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def remove(self, *, seconds: float = 5) -> None:
        """Remove the group; retried, as an ended process may take a moment to leave it."""
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
