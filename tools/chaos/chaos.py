"""Tests the real service under overload, slow clients, deploys and faults: ``make chaos``.

The exit status is 0 if all checks pass, 1 if one fails, 2 if the tests cannot run here.
"""

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from review_stress.load.texts import EMBEDDED
from tests.support.running import ROOT
from tools.chaos.checks import Check, all_passed, info, show, to_json
from tools.chaos.clients import ClientError, write_bodies
from tools.chaos.context import Context
from tools.chaos.deploy import deploy
from tools.chaos.instance import NotReadyError
from tools.chaos.overload import overload
from tools.chaos.quota import QuotaError
from tools.chaos.slow import slow
from tools.chaos.soak import soak

CASES = {"overload": overload, "slow": slow, "deploy": deploy, "soak": soak}
PASSED, FAILED, UNUSABLE = 0, 1, 2


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    console = Console(width=None if sys.stdout.isatty() else 140)
    # Each connection needs a file descriptor in this process too.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found: dict[str, list[Check]] = {}
    try:
        context = prepare(options)
        for case in options.only:
            console.print(f"{case} …", style="dim")
            started = time.monotonic(), others_cpu()
            found |= uvloop.run(CASES[case](context))
            cores = (others_cpu() - started[1]) / (time.monotonic() - started[0])
            found[f"machine during {case}"] = [info("CPU of others", cores, " cores", note="should be idle")]
    except (ClientError, NotReadyError, QuotaError, FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return UNUSABLE
    finally:
        if found:
            show(console, found)
            report = {"quick": options.quick, "cores": len(os.sched_getaffinity(0)), "cases": to_json(found)}
            options.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return PASSED if all_passed(found) else FAILED


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="chaos.py", description=__doc__)
    made.add_argument(
        "--bundle", type=Path, default=Path("build/bundle"), help="the bundle to serve (default: %(default)s)"
    )
    made.add_argument("--only", type=_cases, default=list(CASES), metavar="CASE,…", help=f"of {', '.join(CASES)}")
    made.add_argument("--quick", action="store_true", help="shorter runs: seconds instead of minutes")
    made.add_argument("--minutes", type=float, default=10, help="duration of the soak (default: %(default)g)")
    made.add_argument("--json", type=Path, default=Path("build/chaos.json"), help="(default: %(default)s)")
    return made.parse_args(given)


def prepare(options: argparse.Namespace) -> Context:
    """Return the context of the cases; trains a second bundle if there is none yet."""
    if not shutil.which("wrk"):
        raise FileNotFoundError("wrk is not installed; on Debian: apt-get install wrk")
    if not (options.bundle / "manifest.json").is_file():
        raise FileNotFoundError(f"no bundle at {options.bundle}; create it with make train BUNDLE={options.bundle}")
    folder = ROOT / "build" / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        log.unlink()
    return Context(
        bundle=options.bundle.resolve(),
        other=second_bundle(folder),
        folder=folder,
        reviews=write_bodies(folder / "bodies.jsonl"),
        quick=options.quick,
        minutes=options.minutes,
    )


def second_bundle(folder: Path) -> Path:
    """Return a bundle trained on every twelfth review, with another digest and other scores."""
    bundle, corpus = folder / "other", folder / "other.csv"
    if not (bundle / "manifest.json").is_file():
        with (
            EMBEDDED.open(encoding="utf-8", newline="") as read,
            corpus.open("w", encoding="utf-8", newline="") as write,
        ):
            csv.writer(write).writerows(row for number, row in enumerate(csv.reader(read)) if number % 12 == 0)
        train = [sys.executable, str(ROOT / "train-corpus" / "train.py"), "--no-seed-corpus", "--no-original"]
        subprocess.run(
            [*train, "--corpus", str(corpus), "--bundle", str(bundle)], check=True, stdout=subprocess.DEVNULL
        )
    return bundle


def others_cpu() -> float:
    """Return the CPU seconds since boot of other processes and other virtual machines."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def _cases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(CASES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
