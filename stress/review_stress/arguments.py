"""The command line."""

import argparse
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from review_stress.load.profiles import PROFILES
from review_stress.load.texts import EMBEDDED
from review_stress.measurement.objectives import Objective, ObjectiveError, parse

# Profiles that decide what comes next by what came before.
ALONE = {"original", "breakpoint"}
DESCRIPTION = "Put load on a running review scorer and say what it held, where it broke and what Kubernetes did."
EPILOG = """
Open loop (the default): requests are due at --rate a second whether or not the earlier ones were answered, and
latency counts from when a request was due. Closed loop (--connections without --rate): each connection sends its next
request when it has its answer.

exit status: 0 all objectives held, 99 one did not, 2 unusable arguments or nobody answers, 130 after Ctrl-C (the
report of what there is is still written)

examples:
  stress-testing.py localhost --rate 200 --duration 30 --objective 'p99<100ms' --objective 'errors<0.1%'
  stress-testing.py http://localhost:4567 --profile breakpoint --objective 'p99<50ms' --html breakpoint.html
  DOCKER=localhost stress-testing.py --profile original
  stress-testing.py --namespace default --profile spike --rate 400 --duration 10m --html spike.html
  stress-testing.py --merge pod-0.json pod-1.json --json all.json --html all.html
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def seconds(text: str) -> float:
    """Read a span such as 30, 30s, 500ms, 10m or 2h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    value = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2] or "s"] if found else 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; write it like 30, 500ms, 10m or 2h")
    return value


def above_zero(text: str) -> float:
    """Read a number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return value


def count(text: str) -> int:
    """Read a whole number of at least one."""
    if not re.fullmatch(r"0*[1-9]\d{0,8}", text.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least one")
    return int(text)


def objective(text: str) -> Objective:
    """Read an objective."""
    try:
        return parse(text)
    except ObjectiveError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def header(text: str) -> tuple[str, str]:
    """Read a header line."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name.strip()) or re.search(r"[\r\n]", value):
        raise argparse.ArgumentTypeError(f"{text!r} is no header; write it like 'Name: value'")
    return name.strip(), value.strip()


def share(text: str) -> tuple[int, int]:
    """Read which of how many: ``0/3``."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not int(found[1]) < int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write it like 0/3, 1/3, 2/3")
    return int(found[1]), int(found[2])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = Parser(
        prog="stress-testing.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="a URL, or a host or external IP with or without a port (4567); without a path it is /api/1/users. "
        "Without TARGET: the host in the variable DOCKER, else the LoadBalancer Service of the cluster at hand",
    )
    load = made.add_argument_group("load")
    load.add_argument(
        "--rate", type=above_zero, metavar="R", help="requests a second; 100 unless --connections is given"
    )
    load.add_argument(
        "--duration", type=seconds, metavar="S", help="30, 30s, 10m, 2h (default: 30s; 10s a rate of breakpoint)"
    )
    load.add_argument(
        "--profile",
        choices=PROFILES,
        default="constant",
        metavar="P",
        help="; ".join(f"{n}: {m}" for n, m in PROFILES.items()),
    )
    load.add_argument(
        "--connections",
        type=count,
        metavar="N",
        help="alone: closed loop over so many connections; with --rate: at most so many (default: 1000)",
    )
    load.add_argument(
        "--arrivals",
        choices=("poisson", "constant"),
        default="poisson",
        help="how requests are spaced (default: %(default)s)",
    )
    load.add_argument("--steps", type=count, default=5, metavar="N", help="of the profile step (default: %(default)s)")
    load.add_argument(
        "--base", type=above_zero, metavar="R", help="rate before and after a spike (default: a tenth of RATE)"
    )
    load.add_argument(
        "--calm", type=seconds, metavar="S", help="before and after a spike (default: two fifths of DURATION each)"
    )
    load.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="for an answer, and for a free connection (default: %(default)gs)",
    )
    load.add_argument(
        "--processes",
        type=count,
        metavar="N",
        help="sender processes (default: as many as the rate takes, at most one a core)",
    )
    load.add_argument(
        "--share",
        type=share,
        metavar="I/N",
        help="send part I of N of the load; in an indexed Job JOB_COMPLETION_INDEX and STRESS_SHARES say it",
    )
    sent = made.add_argument_group("what is sent")
    sent.add_argument(
        "--corpus", type=Path, metavar="F", help="CSV, TSV or JSON Lines with reviews (default: the embedded corpus)"
    )
    sent.add_argument("--text-column", default="", metavar="C", help="its column or field of texts")
    sent.add_argument("--batch", type=count, metavar="N", help="send lists of N texts (default: single texts)")
    sent.add_argument("--seed", type=int, default=1, metavar="N", help="of texts and arrivals (default: %(default)s)")
    sent.add_argument(
        "--header",
        type=header,
        action="append",
        default=[],
        metavar="'N: V'",
        help="send this header too; may be repeated",
    )
    asked = made.add_argument_group("what is asked of the target")
    asked.add_argument(
        "--objective",
        type=objective,
        action="append",
        default=[],
        metavar="O",
        help="p50<20ms, p99<100ms, p999<1s, max<2s (of ok answers), errors<0.1%%, shed<5%% (of those sent), late<1%%, "
        "unsent<1%% (of those due), rate>500 (ok a second); may be repeated",
    )
    asked.add_argument(
        "--late",
        type=seconds,
        default=0.01,
        metavar="S",
        help="a request sent later than this after it was due counts as late (default: 10ms)",
    )
    watched = made.add_argument_group("Kubernetes, read-only")
    watched.add_argument("--namespace", metavar="N", help="default: that of the kubeconfig's context, or of the pod")
    watched.add_argument(
        "--service",
        default="review-scorer",
        metavar="S",
        help="LoadBalancer Service to send to without TARGET (default: %(default)s)",
    )
    watched.add_argument("--deployment", metavar="D", help="Deployment to watch (default: the name of the Service)")
    watched.add_argument(
        "--wait", type=seconds, default=300.0, metavar="S", help="for the Service's external address (default: 5m)"
    )
    watched.add_argument("--no-kubernetes", action="store_true", help="do not look for a cluster")
    shown = made.add_argument_group("output")
    shown.add_argument("--json", metavar="F", help="write the report; - is standard output")
    shown.add_argument("--html", type=Path, metavar="F", help="write the report as one page that opens offline")
    shown.add_argument("--quiet", action="store_true", help="no live view and no summary")
    shown.add_argument(
        "--merge", nargs="+", type=Path, metavar="JSON", help="send nothing: add these reports up into one"
    )
    return made


def arguments(given: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Return the options, complete and consistent; what cannot be used ends the program with status 2."""
    made = parser()
    options = made.parse_args(given)
    if options.merge:
        if options.target or options.rate or options.connections:
            made.error("--merge sends nothing: give it no TARGET, --rate or --connections")
        return options
    if options.share is None:
        options.share = _job_share(made, environ)
    options.closed = options.profile == "original" or (options.connections is not None and options.rate is None)
    _check(made, options)
    part, parts = options.share
    if options.closed and options.connections:
        options.connections = options.connections // parts + (part < options.connections % parts)
    options.rate = options.rate or 100.0
    options.base = options.base or options.rate / 10
    if options.duration is None:
        options.duration = {"soak": 3600.0, "breakpoint": 10.0}.get(options.profile, 30.0)
    if options.profile == "breakpoint":
        options.duration = float(max(1, round(options.duration)))
    options.deployment = options.deployment or options.service
    options.corpus = options.corpus or EMBEDDED
    return options


def _check(made: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program over options that contradict each other."""
    profile, connections, parts = options.profile, options.connections, options.share[1]
    contradictions = {
        f"--profile {profile} wants --rate": options.closed and profile not in {"constant", "soak", "original"},
        "--profile original is a closed loop of ten; it takes no --rate and no --connections": profile == "original"
        and (options.rate or connections),
        "--profile original and breakpoint run alone; a share of them means nothing": profile in ALONE and parts > 1,
        "--profile breakpoint raises the rate itself; objectives on rate mean nothing there": profile == "breakpoint"
        and any(one.name == "rate" for one in options.objective),
        "--calm belongs to --profile spike": options.calm is not None and profile != "spike",
        f"--calm {options.calm or 0:g} leaves no spike: --duration must be more than twice that": profile == "spike"
        and 2 * (options.calm or 0) >= (options.duration or 30.0),
        f"--connections {connections} cannot be shared by {parts}": options.closed and (connections or parts) < parts,
    }
    for message, holds in contradictions.items():
        if holds:
            made.error(message)
    for path in filter(None, (options.html, Path(options.json) if options.json and options.json != "-" else None)):
        if not path.parent.is_dir():
            made.error(f"cannot write {path}: there is no directory {path.parent}")


def _job_share(made: argparse.ArgumentParser, environ: Mapping[str, str]) -> tuple[int, int]:
    index, shares = environ.get("JOB_COMPLETION_INDEX"), environ.get("STRESS_SHARES")
    if not index or not shares:
        return (0, 1)
    try:
        return share(f"{index}/{shares}")
    except argparse.ArgumentTypeError as error:
        made.error(f"JOB_COMPLETION_INDEX and STRESS_SHARES: {error}")
