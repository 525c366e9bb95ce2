"""The report: one JSON object, the same for a run and for several runs added up."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from review_stress.kubernetes.scaling import lag, suggest
from review_stress.load.driver import BREAKPOINT_OBJECTIVES, Run, sender_facts
from review_stress.load.profiles import rises
from review_stress.measurement.objectives import Objective, parse
from review_stress.measurement.tally import Tally, Timeline

FORMAT = 1
# What counts as good latency for the autoscaler when no objective says it.
GOOD = ("p99", 500.0)

Report = dict[str, Any]


def build(run: Run, *, target: str, history: Any = None, warnings: Sequence[str] = ()) -> Report:
    """Return the report of a run; ``history`` is what the watcher of the cluster saw."""
    load, timeline = run.load, run.timeline
    total = timeline.between()
    rows = timeline_rows(timeline, run.seconds, history)
    sender = sender_facts(run, total)
    limit = [f"the sender, not the target, was the limit: {'; '.join(sender['why'])}"] if sender["limited"] else []
    about = {
        "format": FORMAT,
        "target": target,
        "profile": load.profile,
        "loop": "closed" if load.closed else "open",
        "arrivals": None if load.closed else "poisson" if load.poisson else "constant",
        "asked_rate": None if load.closed else load.rate,
        "connections": load.config.connections,
        "batch": load.config.batch,
        "seed": load.config.seed,
        "timeout": load.config.timeout,
        "tolerance_ms": round(timeline.tolerance * 1000, 3),
        "share": list(load.share),
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="milliseconds"),
        "seconds": round(run.seconds, 3),
        "window": timeline.window,
        "interrupted": run.interrupted,
    }
    broke = _breakpoint(run) if load.profile == "breakpoint" else None
    inside = sum(row["answered"] for row in rows if row["t"] < run.seconds)
    figures = totals(total, rate=inside / run.seconds if run.seconds else 0.0)
    return (
        about
        | figures
        | {
            "objectives": _objectives(run, total, figures["rate"], broke),
            "warnings": [*warnings, *limit],
            "sender": sender,
            "breakpoint": broke,
            "original": _original(run) if load.profile == "original" else None,
            "kubernetes": _kubernetes(run, rows, history) if history else None,
            "timeline": rows,
        }
    )


def totals(total: Tally, *, rate: float) -> Report:
    """Return the figures of a whole run."""
    said = total.to_json()
    return said | {"rate": round(rate, 2), "details": dict(total.details), "curve": total.curve()}


def timeline_rows(timeline: Timeline, seconds: float, history: Any = None) -> list[Report]:
    """Return one row a window, windows without a request included."""
    rows = []
    empty = Tally()
    samples = sorted(history.samples, key=lambda sample: sample.t) if history else []
    for number in range(max(timeline.tallies, default=-1) + 1):
        t = number * timeline.window
        span = seconds - t if 0.2 * timeline.window <= seconds - t < timeline.window else timeline.window
        tally = timeline.tallies.get(number, empty)
        rate = tally.answered / span
        seen = [sample for sample in samples if sample.t < t + timeline.window]
        latest = seen[-1] if seen else None
        rows.append(
            {"t": round(t, 3), "asked": round(tally.offered / span, 2), "rate": round(rate, 2)}
            | tally.to_json()
            | {
                "replicas": {"desired": latest.desired, "ready": latest.ready} if latest else None,
                "hpa": {"target": latest.target, "current": latest.current} if latest else None,
            }
        )
    return rows


def judge(objectives: Sequence[Objective], total: Tally, *, rate: float) -> list[Report]:
    """Return each objective with its figure and whether it held."""
    return [objective.judge(total, rate=rate) for objective in objectives]


def _objectives(run: Run, total: Tally, rate: float, broke: Report | None) -> list[Report]:
    if broke is None:
        return judge(run.load.objectives, total, rate=rate)
    # The search breaks objectives on purpose: they are judged where they held, or else at the lowest rate.
    steps = [step for step in run.steps if step["rate"] == broke["rate"] and step["held"]] or run.steps[-1:]
    objectives = run.load.objectives or [parse(text) for text in BREAKPOINT_OBJECTIVES]
    if not steps:
        return judge(objectives, Tally(), rate=0.0)
    tally = run.timeline.between(steps[-1]["t"], steps[-1]["t"] + steps[-1]["seconds"])
    return judge(objectives, tally, rate=steps[-1]["ok_rate"])


def _breakpoint(run: Run) -> Report:
    held = [step["rate"] for step in run.steps if step["held"]]
    above = [step["rate"] for step in run.steps if not step["held"] and step["rate"] > max(held, default=0)]
    limited = bool(above) and any(
        step["sender_limited"] for step in run.steps if step["rate"] == min(above) and not step["held"]
    )
    return {
        "rate": max(held, default=None),
        "broke_at": min(above, default=None),
        "sender_limited": limited,
        "steps": run.steps,
    }


def _original(run: Run) -> Report:
    rounds = [round(seconds, 4) for seconds in run.rounds]
    return {"rounds": rounds, "mean": round(math.fsum(rounds) / len(rounds), 4) if rounds else None}


def _kubernetes(run: Run, rows: Sequence[Report], history: Any) -> Report:
    usual = {"p50", "p90", "p99", "p999"}
    found = [(one.name, one.bound) for one in run.load.objectives if one.name in usual and one.sign in {"<", "<="}]
    percentile, bound = found[0] if found else GOOD
    step = rises(run.pieces)
    scaled = lag(rows, history.events, step=step, percentile=percentile, bound=bound)
    peak = max((piece.start for piece in run.pieces), default=0.0)
    peak = max([peak, *(piece.end for piece in run.pieces)]) or max((row["rate"] for row in rows), default=0.0)
    suggestion = suggest(
        rows, percentile=percentile, bound=bound, peak=peak, scale_up=scaled["first_ready"], cpu=history.metric == "cpu"
    )
    return {
        "metric": history.metric or None,
        "min_replicas": history.minimum,
        "max_replicas": history.maximum,
        "good": f"{percentile}<{bound:g}ms",
        "scale_up": scaled,
        "suggestion": suggestion,
        "events": history.events,
        "trouble": history.trouble or None,
    }


def dump(report: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return the report as JSON."""
    return json.dumps(report, ensure_ascii=False, allow_nan=False, indent=indent)
