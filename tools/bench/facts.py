"""The context of a report: code, machine, libraries, bundle and texts."""

import os
import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from review_scorer.scoring.bundle import load
from tests.support.running import ROOT
from tools.bench.plan import Plan

LIBRARIES = ("falcon", "gunicorn", "lightgbm", "mecab-python3", "msgspec", "numpy", "scikit-learn", "uvicorn", "uvloop")


def facts(plan: Plan, corpus: Path) -> dict[str, Any]:
    """Return the context of a report. Raises ``BundleError`` if the bundle cannot be loaded."""
    bundle = load(plan.bundle)
    lengths = [len(text) for text in plan.sample]
    return {
        "revision": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": platform.platform(),
            "load": os.getloadavg()[0],
        },
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "bundle": {"digest": bundle.digest, "parameters": bundle.manifest["parameters"]},
        "texts": {"corpus": corpus.name, "distinct": len(plan.texts), "median_characters": median(lengths)},
    }


class OtherLoad:
    """CPU time that other processes, and other virtual machines on the same cores, use during the run."""

    def __init__(self) -> None:
        self._started, self._others = time.monotonic(), _others()

    def share(self) -> float:
        """Return it as a share of all cores (0-1) since the start; running child processes count as others."""
        span = (time.monotonic() - self._started) * len(os.sched_getaffinity(0))
        return min(max((_others() - self._others) / span, 0.0), 1.0)


def _others() -> float:
    """Return the busy seconds of all cores, without those of this process and its ended children."""
    user, nice, system, _idle, _waiting, irq, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    busy = (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return busy - sum(usage.ru_utime + usage.ru_stime for usage in own)


def _git(*command: str) -> str | None:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
