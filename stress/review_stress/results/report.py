"""The report as a JSON object, with the same format for a run and for merged runs."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from review_stress.kubernetes.scaling import scale_up_lag, suggest
from review_stress.load.driver import BREAKPOINT_OBJECTIVES, Run, sender_figures
from review_stress.load.profiles import steepest_rise
from review_stress.measurement.objectives import Objective, parse
from review_stress.measurement.window_stats import Timeline, WindowStats

FORMAT = 1
# The latency bound for scaling figures if no objective sets one.
DEFAULT_BOUND = ("p99", 500.0)

Report = dict[str, Any]


def build(run: Run, *, target: str, history: Any = None, warnings: Sequence[str] = ()) -> Report:
    """Return the report of a run; ``history`` has the observations of the cluster."""
    load, timeline = run.load, run.timeline
    total = timeline.between()
    rows = timeline_rows(timeline, run.seconds, history)
    sender = sender_figures(run, total)
    limit = [f"the sender, not the target, was the limit: {'; '.join(sender['why'])}"] if sender["limited"] else []
    about = {
        "format": FORMAT,
        "target": target,
        "profile": load.profile,
        "loop": "closed" if load.closed else "open",
        "arrivals": None if load.closed else "poisson" if load.poisson else "constant",
        "arrival_rate": None if load.closed else load.rate,
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


def totals(total: WindowStats, *, rate: float) -> Report:
    """Return the figures of a whole run."""
    said = total.to_json()
    return said | {"rate": round(rate, 2), "details": dict(total.details), "curve": total.curve()}


def timeline_rows(timeline: Timeline, seconds: float, history: Any = None) -> list[Report]:
    """Return a row for each window, including windows without requests."""
    rows = []
    empty = WindowStats()
    samples = sorted(history.samples, key=lambda sample: sample.t) if history else []
    for number in range(max(timeline.windows, default=-1) + 1):
        t = number * timeline.window
        span = seconds - t if 0.2 * timeline.window <= seconds - t < timeline.window else timeline.window
        stats = timeline.windows.get(number, empty)
        rate = stats.answered / span
        seen = [sample for sample in samples if sample.t < t + timeline.window]
        latest = seen[-1] if seen else None
        rows.append(
            {"t": round(t, 3), "arrival_rate": round(stats.offered / span, 2), "rate": round(rate, 2)}
            | stats.to_json()
            | {
                "replicas": {"desired": latest.desired, "ready": latest.ready} if latest else None,
                "hpa": {"target": latest.target, "current": latest.current} if latest else None,
            }
        )
    return rows


def judge(objectives: Sequence[Objective], total: WindowStats, *, rate: float) -> list[Report]:
    """Return each objective with its figure and whether it is met."""
    return [objective.judge(total, rate=rate) for objective in objectives]


def _objectives(run: Run, total: WindowStats, rate: float, broke: Report | None) -> list[Report]:
    if broke is None:
        return judge(run.load.objectives, total, rate=rate)
    # The search exceeds the objectives on purpose: they are judged at the highest rate that met them, or at the lowest.
    steps = [step for step in run.steps if step["rate"] == broke["rate"] and step["met"]] or run.steps[-1:]
    objectives = run.load.objectives or [parse(text) for text in BREAKPOINT_OBJECTIVES]
    if not steps:
        return judge(objectives, WindowStats(), rate=0.0)
    stats = run.timeline.between(steps[-1]["t"], steps[-1]["t"] + steps[-1]["seconds"])
    return judge(objectives, stats, rate=steps[-1]["ok_rate"])


def _breakpoint(run: Run) -> Report:
    held = [step["rate"] for step in run.steps if step["met"]]
    above = [step["rate"] for step in run.steps if not step["met"] and step["rate"] > max(held, default=0)]
    limited = bool(above) and any(
        step["sender_limited"] for step in run.steps if step["rate"] == min(above) and not step["met"]
    )
    return {
        "rate": max(held, default=None),
        "failed_at": min(above, default=None),
        "sender_limited": limited,
        "steps": run.steps,
    }


def _original(run: Run) -> Report:
    rounds = [round(seconds, 4) for seconds in run.rounds]
    return {"rounds": rounds, "mean": round(math.fsum(rounds) / len(rounds), 4) if rounds else None}


def _kubernetes(run: Run, rows: Sequence[Report], history: Any) -> Report:
    usual = {"p50", "p90", "p99", "p999"}
    found = [(one.name, one.bound) for one in run.load.objectives if one.name in usual and one.sign in {"<", "<="}]
    percentile, bound = found[0] if found else DEFAULT_BOUND
    step = steepest_rise(run.segments)
    scaled = scale_up_lag(rows, history.events, step=step, percentile=percentile, bound=bound)
    peak = max((piece.start for piece in run.segments), default=0.0)
    peak = max([peak, *(piece.end for piece in run.segments)]) or max((row["rate"] for row in rows), default=0.0)
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
        "error": history.error or None,
    }


def dump(report: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return the report as JSON."""
    return json.dumps(report, ensure_ascii=False, allow_nan=False, indent=indent)
