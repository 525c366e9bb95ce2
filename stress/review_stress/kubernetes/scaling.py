"""What the autoscaler's doings mean: how long scaling up took, and what would have suited the load better."""

import math
from collections.abc import Sequence
from typing import Any

# So many windows in a row must be good again before the latency counts as recovered.
CALM = 3
# Never suggest a target that leaves no room, or one that wastes most of what is paid for.
LOWEST_TARGET, HIGHEST_TARGET = 30, 80

Row = dict[str, Any]


def good(row: Row, percentile: str, bound: float) -> bool:
    """Return whether a window's latency was under the bound and nothing in it failed."""
    latency = row["latency_ms"]
    failed = row["sent"] - row["abandoned"] - row["outcomes"]["ok"] + row["unsent"]
    return bool(latency) and latency[percentile] < bound and failed <= 0.01 * row["offered"]


def lag(
    rows: Sequence[Row], events: Sequence[dict[str, Any]], *, step: float, percentile: str, bound: float
) -> dict[str, float | None]:
    """Return the seconds from the load's step to bad latency, to the first new ready pod, and to good latency again."""
    fresh = {event["pod"] for event in events if event["event"] == "started"}
    ready = [e["t"] for e in events if e["event"] == "ready" and e["pod"] in fresh and e["t"] >= step]
    pod = min(ready, default=None)
    loaded = [row for row in rows if row["t"] >= step and row["offered"]]
    verdicts = [good(row, percentile, bound) for row in loaded]
    broke = recovered = None
    if False in verdicts:
        first = verdicts.index(False)
        broke = loaded[first]["t"]
        calm = (i for i in range(first, len(verdicts) - CALM + 1) if all(verdicts[i : i + CALM]))
        recovered = next((loaded[i]["t"] for i in calm), None)
    return {
        "step": step,
        "first_ready": None if pod is None else round(pod - step, 2),
        "broke": None if broke is None else round(broke - step, 2),
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
    """Suggest minReplicas and a CPU target from the windows whose latency was good."""
    seen = [row for row in rows if row["replicas"] and row["replicas"]["ready"] and row["offered"]]
    held = [row for row in seen if good(row, percentile, bound)]
    if not held:
        return {"min_replicas": None, "cpu_target": None, "why": "no window with good latency and known replicas"}
    per_pod = max(row["rate"] / row["replicas"]["ready"] for row in held)
    broken = len(held) < len(seen)
    fewest = max(1, math.ceil(peak / per_pod - 1e-9))
    why = [
        f"a pod carried up to {per_pod:,.0f} ok/s with {percentile} under {bound:g} ms"
        + ("" if broken else " and was not seen to break, so it may carry more")
    ]
    suggestion: dict[str, Any] = {"per_pod_rate": round(per_pod, 1), "min_replicas": fewest, "cpu_target": None}
    why.append(f"{peak:,.0f}/s without waiting for new pods takes {fewest}")
    used = [row["hpa"]["current"] for row in held if row["hpa"] and row["hpa"]["current"] is not None]
    if used and cpu:
        # What is left above the target must carry what comes while new pods start: a fifth, more if they are slow.
        room = 0.8 if not scale_up or scale_up <= 30 else 0.65
        target = max(LOWEST_TARGET, min(HIGHEST_TARGET, 5 * math.floor(max(used) * room / 5)))
        suggestion["cpu_target"] = target
        why.append(
            f"latency was good up to {max(used):g}% of the CPU request; {target}% leaves room for the "
            + (f"{scale_up:g} s that a new pod took" if scale_up else "time that a new pod takes")
        )
    return suggestion | {"why": "; ".join(why)}
