"""How many cores there are for this process, in a container too."""

import math
import os
from pathlib import Path


def available_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the cores this process may use: those of its affinity mask, or fewer where ``quota`` (cgroup v2) says so.

    A container with a limit of two cores on a machine of 64 sees 64, and would start 64 workers.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        return max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return cores
