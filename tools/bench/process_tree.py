"""A command with all processes that come from it: how long it took, and what they held at most.

Memory is the sum over all processes of what they hold, shared pages in parts (PSS), at the moment when it was most;
mapped files, which the system may drop, are told apart.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_EVERY_SECONDS = 0.25


class Cost(NamedTuple):
    """Seconds, and the peak in MB, with and without mapped files."""

    seconds: float
    peak: float
    peak_anonymous: float


def run(command: Sequence[str], *, cwd: Path, cores: int) -> Cost:
    """Run ``command`` on so many cores; raise ``SystemExit`` where it fails."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    begun = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),  # noqa: PLW1509 - no threads here
    ) as process:
        peak = anonymous = 0
        while process.poll() is None:
            held = [memory(pid) for pid in family(process.pid)]
            peak = max(peak, sum(each for each, _ in held))
            anonymous = max(anonymous, sum(each for _, each in held))
            time.sleep(_EVERY_SECONDS)
    seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit(f"it ended with {process.returncode}: {' '.join(command)}")
    return Cost(seconds, peak / 1024, anonymous / 1024)


def family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in read(task / "children")]
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(child))]


def memory(pid: int) -> tuple[int, int]:
    """Return a process' share of memory in kB, with and without mapped files; 0 when it is gone."""
    try:
        words = read(Path(f"/proc/{pid}/smaps_rollup"))
        return int(words[words.index("Pss:") + 1]), int(words[words.index("Pss_Anon:") + 1])
    except (OSError, ValueError):
        return 0, 0


def read(path: Path) -> list[str]:
    """Return the words of a file of /proc."""
    return path.read_text().split()
