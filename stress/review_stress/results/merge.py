"""Merging of reports: counts and histograms are added, timelines are aligned by their start times."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from review_stress.measurement.objectives import Objective, parse
from review_stress.measurement.window_stats import Timeline, WindowStats
from review_stress.results.report import FORMAT, judge, timeline_rows, totals


class MergeError(Exception):
    """The reports cannot be read or merged."""


def read(path: Path) -> dict[str, Any]:
    """Read a report from a JSON file, or from the log of a pod, where it is the last line of JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MergeError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    lines = [line for line in text.splitlines() if line.startswith("{")]
    for candidate in (text, *lines[-1:]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("format") == FORMAT and "histogram" in found:
            return found
    raise MergeError(f"{path} has no report of this tool")


def merge(reports: Sequence[dict[str, Any]], *, objectives: Sequence[Objective] = ()) -> dict[str, Any]:
    """Return the merged report; the default objectives are those of the first report."""
    windows = {report["window"] for report in reports}
    if len(windows) > 1:
        raise MergeError(f"the reports have windows of different lengths: {sorted(windows)} seconds")
    starts = [datetime.fromisoformat(report["started"]).timestamp() for report in reports]
    first = min(starts)
    timeline = Timeline(window=windows.pop(), tolerance=reports[0]["tolerance_ms"] / 1000)
    total = WindowStats()
    inside = 0.0
    for report, start in zip(reports, starts, strict=True):
        shift = round((start - first) / timeline.window)
        for row in report["timeline"]:
            timeline.at((round(row["t"] / timeline.window) + shift + 0.5) * timeline.window).add(
                WindowStats.from_json(row)
            )
        total.add(WindowStats.from_json(report))
        inside += report["rate"] * report["seconds"]
    spans = [(start, start + report["seconds"]) for report, start in zip(reports, starts, strict=True)]
    covered = _covered(spans)
    judged = objectives or [parse(one["objective"]) for one in reports[0]["objectives"]]
    figures = totals(total, rate=inside / covered if covered else 0.0)
    senders = [report["sender"] for report in reports]
    return (
        reports[0]
        | {
            "arrival_rate": _arrival_rate(reports),
            "share": [0, 1],
            "started": min(reports, key=lambda report: str(report["started"]))["started"],
            "seconds": round(max(end for _, end in spans) - first, 3),
            "interrupted": any(report["interrupted"] for report in reports),
            "merged": len(reports),
        }
        | figures
        | {
            "objectives": judge(judged, total, rate=figures["rate"]),
            "warnings": list(dict.fromkeys(warning for report in reports for warning in report["warnings"])),
            "sender": {
                "processes": sum(sender["processes"] for sender in senders),
                "cpu": [share for sender in senders for share in sender["cpu"]],
                "lag_ms": {name: max(sender["lag_ms"][name] for sender in senders) for name in ("p50", "p99")},
                "limited": any(sender["limited"] for sender in senders),
                "why": list(dict.fromkeys(why for sender in senders for why in sender["why"])),
            },
            "kubernetes": next((report["kubernetes"] for report in reports if report["kubernetes"]), None),
            "timeline": _with_replicas(timeline_rows(timeline, max(end for _, end in spans) - first), reports, starts),
        }
    )


def _arrival_rate(reports: Sequence[dict[str, Any]]) -> float | None:
    """Return the total arrival rate."""
    if any(report["arrival_rate"] is None for report in reports):
        return None
    return round(math.fsum(float(report["arrival_rate"]) / int(report["share"][1]) for report in reports), 3)


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the total length of the union of the spans."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _with_replicas(
    rows: list[dict[str, Any]], reports: Sequence[dict[str, Any]], starts: Sequence[float]
) -> list[dict[str, Any]]:
    """Add the replicas and autoscaler figures of the first report with a cluster to the rows."""
    for report, start in zip(reports, starts, strict=True):
        if report["kubernetes"]:
            shift = round((start - min(starts)) / report["window"])
            for number, row in enumerate(report["timeline"]):
                if number + shift < len(rows):
                    rows[number + shift] |= {"replicas": row["replicas"], "hpa": row["hpa"]}
            break
    return rows
