"""Disk space of serving: the bundle, and the requirements without their tests and bytecode."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

from tests.support.running import ROOT
from tools.bench.figures import Row
from tools.bench.plan import Plan

LOCK = ROOT / "requirements" / "serving.txt"
GROUP = "on disk"
BUNDLE, REQUIREMENTS = Row(GROUP, "bundle", "MB"), Row(GROUP, "requirements, without tests and bytecode", "MB")
# Packages below this size (MB) are summed up in one row.
SHOWN = 1.0


class InstallError(Exception):
    """The requirements could not be installed."""


@contextmanager
def sizes(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures; each round has the same result."""
    packages = installed(plan.build)

    def measure(_: str) -> Mapping[Row, float]:
        bundle = sum(path.stat().st_size for path in plan.bundle.iterdir()) / 1e6
        big = {Row(GROUP, f"  {name}", "MB"): size for name, size in packages.items() if size >= SHOWN}
        rest = {Row(GROUP, "  other packages", "MB"): sum(size for size in packages.values() if size < SHOWN)}
        return {BUNDLE: bundle, REQUIREMENTS: sum(packages.values()), **big, **rest}

    yield measure


def installed(build: Path) -> dict[str, float]:
    """Return the MB of each package of the serving lock, largest first; each version of the lock is installed once."""
    python = f"{sys.implementation.cache_tag}-{sys.platform}"
    kept = build / f"serving-sizes-{python}-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(_install(build / "serving-install"), indent=2) + "\n")
    packages: dict[str, float] = json.loads(kept.read_text())
    return packages


def _install(target: Path) -> dict[str, float]:
    shutil.rmtree(target, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command = [*pip, "--no-deps", "--require-hashes", "--requirement", str(LOCK), "--target", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise InstallError(f"cannot install {LOCK.name}: {' '.join(errors) or done.stderr.strip()}")
        found = {one.metadata["Name"].lower(): _size(one) for one in distributions(path=[str(target)])}
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _size(package: Distribution) -> float:
    files = [file for file in package.files or [] if not _left_out(file)]
    return sum(Path(str(package.locate_file(file))).stat().st_size for file in files) / 1e6


def _left_out(file: PurePath) -> bool:
    # Scripts lie outside of the target directory ("..") and have only a few lines each.
    return bool({"tests", "test", "__pycache__", ".."} & set(file.parts))
