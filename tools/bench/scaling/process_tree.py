"""Duration and peak memory of a command with all its child processes.

Peak memory is the highest sum of the PSS of all processes, with and without mapped files (which the kernel may drop).
"""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_EVERY_SECONDS = 0.1


class Cost(NamedTuple):
    """Duration in seconds and peak memory in MB, with and without mapped files."""

    seconds: float
    peak: float
    peak_anonymous: float


def run(command: Sequence[str], *, cwd: Path, cores: int) -> Cost:
    """Run ``command`` on ``cores`` cores; raise ``SystemExit`` if it fails."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    started = time.monotonic()
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
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}: {' '.join(command)}")
    return Cost(seconds, peak / 1024, anonymous / 1024)


def family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in read(task / "children")]
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(child))]


def memory(pid: int) -> tuple[int, int]:
    """Return the PSS of a process in kB, with and without mapped files; 0 if it has ended."""
    try:
        words = read(Path(f"/proc/{pid}/smaps_rollup"))
        return int(words[words.index("Pss:") + 1]), int(words[words.index("Pss_Anon:") + 1])
    except (OSError, ValueError):
        return 0, 0


def read(path: Path) -> list[str]:
    """Return the words of a file in /proc."""
    return path.read_text().split()
