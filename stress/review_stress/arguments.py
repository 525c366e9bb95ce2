"""Options of the command line."""

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

# Profiles that depend on earlier results, so they cannot be split between processes on several machines.
UNSHARED = {"original", "breakpoint"}
DESCRIPTION = "Load test a running review scorer: latency, throughput, breakpoint and autoscaling."
EPILOG = """
Open loop (the default): requests are due at an arrival rate (--rate), whether or not earlier ones were answered, and
latency counts from the time a request was due. Closed loop (--connections without --rate): each connection sends its
next request after the response to the last one.

exit status: 0 all objectives met, 99 an objective was not met, 2 invalid arguments or unreachable target, 130 after
Ctrl-C (the report so far is still written)

examples:
  stress-testing.py localhost --rate 200 --duration 30 --objective 'p99<100ms' --objective 'errors<0.1%'
  stress-testing.py http://localhost:4567 --profile breakpoint --objective 'p99<50ms' --html breakpoint.html
  DOCKER=localhost stress-testing.py --profile original
  stress-testing.py --namespace default --profile spike --rate 400 --duration 10m --html spike.html
  stress-testing.py --merge pod-0.json pod-1.json --json all.json --html all.html
"""


class Parser(argparse.ArgumentParser):
    """Parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def seconds(text: str) -> float:
    """Parse a duration such as 30, 30s, 500ms, 10m or 2h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    value = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2] or "s"] if found else 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, such as 30, 500ms, 10m or 2h")
    return value


def above_zero(text: str) -> float:
    """Parse a positive number."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def count(text: str) -> int:
    """Parse a positive integer."""
    if not re.fullmatch(r"0*[1-9]\d{0,8}", text.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def objective(text: str) -> Objective:
    """Parse an objective."""
    try:
        return parse(text)
    except ObjectiveError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def header(text: str) -> tuple[str, str]:
    """Parse a header line."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name.strip()) or re.search(r"[\r\n]", value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a header, such as 'Name: value'")
    return name.strip(), value.strip()


def share(text: str) -> tuple[int, int]:
    """Parse a share of the load such as ``0/3``: index and number of parts."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not int(found[1]) < int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, such as 0/3, 1/3 or 2/3")
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
        help="a URL, or a host or external IP, optionally with a port (default: 4567); default path: /api/1/users. "
        "Without TARGET: the host in the variable DOCKER, else the LoadBalancer Service of the current cluster",
    )
    load = made.add_argument_group("load")
    load.add_argument(
        "--rate",
        type=above_zero,
        metavar="R",
        help="arrival rate, requests per second (default: 100 without --connections)",
    )
    load.add_argument(
        "--duration", type=seconds, metavar="S", help="30, 30s, 10m, 2h (default: 30s; 10s for each rate of breakpoint)"
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
        help="without --rate: closed loop over N connections; with --rate: maximum number (default: 1000)",
    )
    load.add_argument(
        "--arrivals",
        choices=("poisson", "constant"),
        default="poisson",
        help="distribution of the arrivals (default: %(default)s)",
    )
    load.add_argument("--steps", type=count, default=5, metavar="N", help="for the profile step (default: %(default)s)")
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
        help="time limit for a response, and for a free connection (default: %(default)gs)",
    )
    load.add_argument(
        "--processes",
        type=count,
        metavar="N",
        help="number of sender processes (default: by the rate, at most one per core)",
    )
    load.add_argument(
        "--share",
        type=share,
        metavar="I/N",
        help="send part I of N of the load (default: from JOB_COMPLETION_INDEX and STRESS_SHARES in an indexed Job)",
    )
    sent = made.add_argument_group("requests")
    sent.add_argument(
        "--corpus", type=Path, metavar="F", help="CSV, TSV or JSON Lines with reviews (default: the seed corpus)"
    )
    sent.add_argument("--text-column", default="", metavar="C", help="column or field of the texts in the corpus")
    sent.add_argument("--batch", type=count, metavar="N", help="send lists of N texts (default: single texts)")
    sent.add_argument("--seed", type=int, default=1, metavar="N", help="for texts and arrivals (default: %(default)s)")
    sent.add_argument(
        "--header",
        type=header,
        action="append",
        default=[],
        metavar="'N: V'",
        help="additional header; may be repeated",
    )
    judged = made.add_argument_group("objectives")
    judged.add_argument(
        "--objective",
        type=objective,
        action="append",
        default=[],
        metavar="O",
        help="p50<20ms, p99<100ms, p999<1s, max<2s (ok responses), errors<0.1%%, shed<5%% (of sent requests), "
        "late<1%%, unsent<1%% (of due requests), rate>500 (ok responses per second); may be repeated",
    )
    judged.add_argument(
        "--late",
        type=seconds,
        default=0.01,
        metavar="S",
        help="a request counts as late if it is sent more than this after it was due (default: 10ms)",
    )
    watched = made.add_argument_group("Kubernetes, read-only")
    watched.add_argument("--namespace", metavar="N", help="default: that of the kubeconfig's context, or of the pod")
    watched.add_argument(
        "--service",
        default="review-scorer",
        metavar="S",
        help="LoadBalancer Service to use without TARGET (default: %(default)s)",
    )
    watched.add_argument("--deployment", metavar="D", help="Deployment to watch (default: same name as the Service)")
    watched.add_argument(
        "--wait",
        type=seconds,
        default=300.0,
        metavar="S",
        help="limit for the Service's external address (default: 5m)",
    )
    watched.add_argument("--no-kubernetes", action="store_true", help="do not use a cluster")
    shown = made.add_argument_group("output")
    shown.add_argument("--json", metavar="F", help="write the report as JSON; - is standard output")
    shown.add_argument("--html", type=Path, metavar="F", help="write the report as a self-contained HTML page")
    shown.add_argument("--quiet", action="store_true", help="no live view and no summary")
    shown.add_argument(
        "--merge", nargs="+", type=Path, metavar="JSON", help="send no requests; merge these reports into one"
    )
    return made


def arguments(given: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Return the options, complete and consistent; exit with status 2 if they are invalid."""
    made = parser()
    options = made.parse_args(given)
    if options.merge:
        if options.target or options.rate or options.connections:
            made.error("--merge cannot be combined with TARGET, --rate or --connections")
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
    """Exit if options contradict each other."""
    profile, connections, parts = options.profile, options.connections, options.share[1]
    contradictions = {
        f"--profile {profile} requires --rate": options.closed and profile not in {"constant", "soak", "original"},
        "--profile original cannot be combined with --rate or --connections": profile == "original"
        and (options.rate or connections),
        "--profile original and breakpoint cannot be shared (--share)": profile in UNSHARED and parts > 1,
        "--profile breakpoint raises the rate itself; it cannot have an objective on rate": profile == "breakpoint"
        and any(one.name == "rate" for one in options.objective),
        "--calm requires --profile spike": options.calm is not None and profile != "spike",
        f"--calm {options.calm or 0:g} is too long: --duration must be more than twice that": profile == "spike"
        and 2 * (options.calm or 0) >= (options.duration or 30.0),
        f"--connections {connections} is less than {parts} shares": options.closed and (connections or parts) < parts,
    }
    for message, holds in contradictions.items():
        if holds:
            made.error(message)
    for path in filter(None, (options.html, Path(options.json) if options.json and options.json != "-" else None)):
        if not path.parent.is_dir():
            made.error(f"cannot write {path}: no directory {path.parent}")


def _job_share(made: argparse.ArgumentParser, environ: Mapping[str, str]) -> tuple[int, int]:
    index, shares = environ.get("JOB_COMPLETION_INDEX"), environ.get("STRESS_SHARES")
    if not index or not shares:
        return (0, 1)
    try:
        return share(f"{index}/{shares}")
    except argparse.ArgumentTypeError as error:
        made.error(f"JOB_COMPLETION_INDEX and STRESS_SHARES: {error}")
