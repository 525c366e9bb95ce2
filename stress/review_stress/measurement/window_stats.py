"""Counts and latency histograms (HdrHistogram) for each window of time; they can be added without loss.

A request belongs to the window in which it was *due*, and its latency counts from that time, so that the wait behind a
stalled server is included (no coordinated omission). Ok and shed responses have separate latency histograms.
"""

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hdrh.histogram import HdrHistogram

from review_stress.measurement.outcomes import ABANDONED, OK, OUTCOMES, SHED, UNSENT
from review_stress.measurement.sender_protocol import RECORD

# In microseconds, with three significant digits.
LOWEST, HIGHEST, DIGITS = 1, 600_000_000, 3
# The sender was the limit if it handled more than the share BEHIND of the requests late, and its delays are more than
# the share LOST of the total time until the responses.
BEHIND, LOST = 0.01, 0.2
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def histogram(encoded: str = "") -> HdrHistogram:
    """Return an empty histogram of microseconds, or the decoded one."""
    made = HdrHistogram(LOWEST, HIGHEST, DIGITS, word_size=4)
    if encoded:
        made.decode_and_add(encoded.encode())
    return made


def milliseconds(microseconds: float) -> float:
    """Return milliseconds, rounded to microseconds."""
    return round(microseconds / 1000, 3)


class WindowStats:
    """Counts of requests and the latencies of their responses."""

    def __init__(self) -> None:
        self.offered = self.sent = self.late = self.unsent = self.abandoned = 0
        self.behind = 0  # late because of the sender
        self.lost = self.waited = 0.0  # seconds from due to handled, and from due to answered
        self.answered = 0  # ok responses received in this window, whenever their requests were due
        self.outcomes: Counter[int] = Counter()
        self.details: Counter[str] = Counter()
        self.latencies: HdrHistogram | None = None
        self.shed_latencies: HdrHistogram | None = None

    def add(self, other: "WindowStats") -> None:
        """Add the counts of another window."""
        for name in ("offered", "sent", "late", "unsent", "abandoned", "behind", "answered", "lost", "waited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes.update(other.outcomes)
        self.details.update(other.details)
        if other.latencies:
            self.latencies = self.latencies or histogram()
            self.latencies.add(other.latencies)
        if other.shed_latencies:
            self.shed_latencies = self.shed_latencies or histogram()
            self.shed_latencies.add(other.shed_latencies)

    def record(self, microseconds: float) -> None:
        """Add the latency of an ok response."""
        self.latencies = self.latencies or histogram()
        self.latencies.record_value(_within(microseconds))

    def record_shed(self, microseconds: float) -> None:
        """Add the latency of a shed request."""
        self.shed_latencies = self.shed_latencies or histogram()
        self.shed_latencies.record_value(_within(microseconds))

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the latency of ok responses in ms."""
        if not self.latencies:
            return None
        return milliseconds(self.latencies.get_value_at_percentile(percent))

    def latency(self) -> dict[str, float] | None:
        """Return the usual percentiles in ms."""
        return _percentiles(self.latencies)

    def curve(self) -> list[tuple[float, float]]:
        """Return points (percent, ms) of the distribution, denser towards 100."""
        if not self.latencies:
            return []
        steps = [100 * (1 - 10 ** (-nines / 8)) for nines in range(8 * 5 + 1)]
        steps = [step for step in steps if (100 - step) / 100 * self.latencies.total_count >= 1] or [0.0]
        values = self.latencies.get_percentile_to_value_dict([*steps, 100.0])
        return [(round(step, 5), milliseconds(values[step])) for step in [*steps, 100.0]]

    def limited(self) -> bool:
        """Return whether delays of the sender dominate the latencies."""
        return self.behind > BEHIND * self.offered and self.lost > LOST * self.waited

    def errors(self) -> int:
        """Return the number of requests that were neither ok nor shed."""
        return self.sent - self.abandoned - self.outcomes[OK] - self.outcomes[1]

    def to_json(self) -> dict[str, Any]:
        """Return the statistics in the format of a report."""
        return {
            "offered": self.offered,
            "sent": self.sent,
            "late": self.late,
            "behind": self.behind,
            "unsent": self.unsent,
            "abandoned": self.abandoned,
            "answered": self.answered,
            "outcomes": {name: self.outcomes[number] for number, name in enumerate(OUTCOMES)},
            "latency_ms": self.latency(),
            "shed_latency_ms": _percentiles(self.shed_latencies),
            "histogram": self.latencies.encode().decode() if self.latencies else None,
            "shed_histogram": self.shed_latencies.encode().decode() if self.shed_latencies else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "WindowStats":
        """Return the statistics of a report."""
        stats = cls()
        for name in ("offered", "sent", "late", "behind", "unsent", "abandoned", "answered"):
            setattr(stats, name, int(data[name]))
        stats.outcomes = Counter({number: int(data["outcomes"][name]) for number, name in enumerate(OUTCOMES)})
        stats.details = Counter(data.get("details") or {})
        stats.latencies = histogram(data["histogram"]) if data["histogram"] else None
        refusals = data.get("shed_histogram")  # absent from older reports
        stats.shed_latencies = histogram(refusals) if refusals else None
        return stats


def _within(microseconds: float) -> int:
    return min(HIGHEST, max(LOWEST, round(microseconds)))


def _percentiles(values: HdrHistogram | None) -> dict[str, float] | None:
    if not values:
        return None
    at = values.get_percentile_to_value_dict(list(PERCENTILES.values()))
    found = {name: milliseconds(at[percent]) for name, percent in PERCENTILES.items()}
    return found | {"max": milliseconds(values.get_max_value())}


class Timeline:
    """Statistics for each window of ``window`` seconds."""

    def __init__(self, *, window: float = 1.0, tolerance: float = 0.01) -> None:
        self.window = window
        self.tolerance = tolerance
        self.windows: dict[int, WindowStats] = {}
        self.last = 0.0  # time of the last response

    def at(self, seconds: float) -> WindowStats:
        """Return the statistics of the window at a time."""
        return self.windows.setdefault(max(0, int(seconds / self.window)), WindowStats())

    def add_records(self, records: "array[float]") -> None:
        """Add the records of a sender."""
        for start in range(0, len(records), RECORD):
            due, woken, sent, done, outcome, code = records[start : start + RECORD]
            self._count(due, woken, sent, done, int(outcome), int(code))

    def _count(self, due: float, woken: float, sent: float, done: float, outcome: int, code: int) -> None:
        stats = self.at(due)
        stats.offered += 1
        stats.behind += woken - due > self.tolerance
        stats.lost += woken - due
        stats.waited += done - due
        if outcome == UNSENT:
            stats.unsent += 1
            if code:
                stats.details[f"errno {code}"] += 1
            return
        stats.sent += 1
        stats.late += sent - due > self.tolerance
        if outcome == ABANDONED:
            stats.abandoned += 1
            return
        stats.outcomes[outcome] += 1
        self.last = max(self.last, done)
        if outcome == OK:
            stats.record((done - due) * 1e6)
            self.at(done).answered += 1
            return
        if outcome == SHED:
            stats.record_shed((done - due) * 1e6)
        if code:
            stats.details[f"{OUTCOMES[outcome]} {code}"] += 1

    def between(self, start: float = 0.0, end: float = math.inf) -> WindowStats:
        """Return the sum of the windows that start in a span."""
        total = WindowStats()
        for number in sorted(self.windows):
            if start - 1e-9 <= number * self.window < end - 1e-9:
                total.add(self.windows[number])
        return total
