"""Analysis of autoscaling: duration of the scale-up, and suggested settings."""

import math
from collections.abc import Sequence
from typing import Any

# Number of consecutive good windows after which the latency counts as recovered.
GOOD_WINDOWS = 3
# Bounds of the suggested CPU target: above, there is no headroom; below, most of the capacity is unused.
LOWEST_TARGET, HIGHEST_TARGET = 30, 80

Row = dict[str, Any]


def is_good(row: Row, percentile: str, bound: float) -> bool:
    """Return whether the latency of a window was below the bound and at most 1% of its requests failed."""
    latency = row["latency_ms"]
    failed = row["sent"] - row["abandoned"] - row["outcomes"]["ok"] + row["unsent"]
    return bool(latency) and latency[percentile] < bound and failed <= 0.01 * row["offered"]


def scale_up_lag(
    rows: Sequence[Row], events: Sequence[dict[str, Any]], *, step: float, percentile: str, bound: float
) -> dict[str, float | None]:
    """Return the seconds from the step of the load to bad latency, to the first new ready pod, and to recovery."""
    fresh = {event["pod"] for event in events if event["event"] == "started"}
    ready = [e["t"] for e in events if e["event"] == "ready" and e["pod"] in fresh and e["t"] >= step]
    pod = min(ready, default=None)
    loaded = [row for row in rows if row["t"] >= step and row["offered"]]
    verdicts = [is_good(row, percentile, bound) for row in loaded]
    degraded = recovered = None
    if False in verdicts:
        first = verdicts.index(False)
        degraded = loaded[first]["t"]
        starts = (i for i in range(first, len(verdicts) - GOOD_WINDOWS + 1) if all(verdicts[i : i + GOOD_WINDOWS]))
        recovered = next((loaded[i]["t"] for i in starts), None)
    return {
        "step": step,
        "first_ready": None if pod is None else round(pod - step, 2),
        "degraded": None if degraded is None else round(degraded - step, 2),
        "recovered": None if recovered is None else round(recovered - step, 2),
    }


def suggest(
    rows: Sequence[Row],
    *,
    percentile: str,
    bound: float,
    peak: float,
    scale_up: float | None,
    cpu: bool,
) -> dict[str, Any]:
    """Suggest minReplicas and a CPU target from the windows with good latency."""
    seen = [row for row in rows if row["replicas"] and row["replicas"]["ready"] and row["offered"]]
    held = [row for row in seen if is_good(row, percentile, bound)]
    if not held:
        return {"min_replicas": None, "cpu_target": None, "why": "no window with good latency and known replicas"}
    per_pod = max(row["rate"] / row["replicas"]["ready"] for row in held)
    broken = len(held) < len(seen)
    fewest = max(1, math.ceil(peak / per_pod - 1e-9))
    why = [
        f"a pod sustained up to {per_pod:,.0f} ok/s with {percentile} under {bound:g} ms"
        + ("" if broken else "; this was not the limit, so it may sustain more")
    ]
    suggestion: dict[str, Any] = {"per_pod_rate": round(per_pod, 1), "min_replicas": fewest, "cpu_target": None}
    why.append(f"{peak:,.0f}/s without waiting for new pods requires {fewest}")
    used = [row["hpa"]["current"] for row in held if row["hpa"] and row["hpa"]["current"] is not None]
    if used and cpu:
        # The headroom above the target absorbs the load until new pods are ready: a fifth, or more if they are slow.
        room = 0.8 if not scale_up or scale_up <= 30 else 0.65
        target = max(LOWEST_TARGET, min(HIGHEST_TARGET, 5 * math.floor(max(used) * room / 5)))
        suggestion["cpu_target"] = target
        why.append(
            f"latency was good up to {max(used):g}% of the CPU request; {target}% leaves room for the "
            + (f"{scale_up:g} s that a new pod took" if scale_up else "time that a new pod takes")
        )
    return suggestion | {"why": "; ".join(why)}
