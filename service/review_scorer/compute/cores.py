"""Counts the CPU cores that this process may use, also in a container."""

import math
import os
from pathlib import Path


def available_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the number of cores of the affinity mask, limited by the cgroup v2 ``quota``, rounded up; at least 1.

    A container with a limit of two cores on a machine of 64 would otherwise start 64 workers.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        return max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return cores
