"""What was measured: counts and HdrHistograms, one tally a window of time, every tally exact to add up.

A request belongs to the window in which it was *due*. Its latency runs from when it was due, so that what a stalled
server made later requests wait is counted too. Ok answers and those turned away have latencies, each their own.
"""

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hdrh.histogram import HdrHistogram

from review_stress.measurement.outcomes import ABANDONED, OK, OUTCOMES, SHED, UNSENT
from review_stress.measurement.records import RECORD

# Microseconds; three digits.
LOWEST, HIGHEST, DIGITS = 1, 600_000_000, 3
# The sender was the limit if it got to more than this share of the requests late, and that made up more than this share
# of all the time that was waited for answers.
BEHIND, LOST = 0.01, 0.2
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def histogram(encoded: str = "") -> HdrHistogram:
    """Return an empty histogram of microseconds, or the one that was encoded."""
    made = HdrHistogram(LOWEST, HIGHEST, DIGITS, word_size=4)
    if encoded:
        made.decode_and_add(encoded.encode())
    return made


def milliseconds(microseconds: float) -> float:
    """Return milliseconds with the digits that mean something."""
    return round(microseconds / 1000, 3)


class Tally:
    """Counts of requests and the latencies of the ok answers among them."""

    def __init__(self) -> None:
        self.offered = self.sent = self.late = self.unsent = self.abandoned = 0
        self.behind = 0  # late because the sender itself was
        self.lost = self.waited = 0.0  # seconds: until the sender got to requests, and until their answers came
        self.answered = 0  # ok answers that came in this window, whenever their requests were due
        self.outcomes: Counter[int] = Counter()
        self.details: Counter[str] = Counter()
        self.latencies: HdrHistogram | None = None
        self.refusals: HdrHistogram | None = None  # of those that were shed

    def add(self, other: "Tally") -> None:
        """Take the other's counts in."""
        for name in ("offered", "sent", "late", "unsent", "abandoned", "behind", "answered", "lost", "waited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes.update(other.outcomes)
        self.details.update(other.details)
        if other.latencies:
            self.latencies = self.latencies or histogram()
            self.latencies.add(other.latencies)
        if other.refusals:
            self.refusals = self.refusals or histogram()
            self.refusals.add(other.refusals)

    def record(self, microseconds: float) -> None:
        """Count the latency of an ok answer."""
        self.latencies = self.latencies or histogram()
        self.latencies.record_value(_within(microseconds))

    def record_refusal(self, microseconds: float) -> None:
        """Count the latency of an answer that turned its request away."""
        self.refusals = self.refusals or histogram()
        self.refusals.record_value(_within(microseconds))

    def percentile(self, percent: float) -> float | None:
        """Return the latency in milliseconds that so many percent of the ok answers did not exceed."""
        if not self.latencies:
            return None
        return milliseconds(self.latencies.get_value_at_percentile(percent))

    def latency(self) -> dict[str, float] | None:
        """Return the usual percentiles in milliseconds."""
        return _percentiles(self.latencies)

    def curve(self) -> list[tuple[float, float]]:
        """Return (percent, milliseconds) along the whole distribution, ever finer towards 100."""
        if not self.latencies:
            return []
        steps = [100 * (1 - 10 ** (-nines / 8)) for nines in range(8 * 5 + 1)]
        steps = [step for step in steps if (100 - step) / 100 * self.latencies.total_count >= 1] or [0.0]
        values = self.latencies.get_percentile_to_value_dict([*steps, 100.0])
        return [(round(step, 5), milliseconds(values[step])) for step in [*steps, 100.0]]

    def limited(self) -> bool:
        """Return whether so many latencies are so much the sender's own that they say little of the target."""
        return self.behind > BEHIND * self.offered and self.lost > LOST * self.waited

    def errors(self) -> int:
        """Return how many requests came to neither ok nor shed."""
        return self.sent - self.abandoned - self.outcomes[OK] - self.outcomes[1]

    def to_json(self) -> dict[str, Any]:
        """Return the tally as it stands in a report."""
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
            "shed_latency_ms": _percentiles(self.refusals),
            "histogram": self.latencies.encode().decode() if self.latencies else None,
            "shed_histogram": self.refusals.encode().decode() if self.refusals else None,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Tally":
        """Return the tally that a report holds."""
        tally = cls()
        for name in ("offered", "sent", "late", "behind", "unsent", "abandoned", "answered"):
            setattr(tally, name, int(said[name]))
        tally.outcomes = Counter({number: int(said["outcomes"][name]) for number, name in enumerate(OUTCOMES)})
        tally.details = Counter(said.get("details") or {})
        tally.latencies = histogram(said["histogram"]) if said["histogram"] else None
        refusals = said.get("shed_histogram")  # reports written before there was one can still be merged
        tally.refusals = histogram(refusals) if refusals else None
        return tally


def _within(microseconds: float) -> int:
    return min(HIGHEST, max(LOWEST, round(microseconds)))


def _percentiles(values: HdrHistogram | None) -> dict[str, float] | None:
    if not values:
        return None
    at = values.get_percentile_to_value_dict(list(PERCENTILES.values()))
    found = {name: milliseconds(at[percent]) for name, percent in PERCENTILES.items()}
    return found | {"max": milliseconds(values.get_max_value())}


class Timeline:
    """A tally for each window of so many seconds."""

    def __init__(self, *, window: float = 1.0, tolerance: float = 0.01) -> None:
        self.window = window
        self.tolerance = tolerance
        self.tallies: dict[int, Tally] = {}
        self.last = 0.0  # when the last answer came

    def at(self, seconds: float) -> Tally:
        """Return the tally of the window that holds the time."""
        return self.tallies.setdefault(max(0, int(seconds / self.window)), Tally())

    def hear(self, records: "array[float]") -> None:
        """Take in a sender's records."""
        for start in range(0, len(records), RECORD):
            due, woken, sent, done, outcome, code = records[start : start + RECORD]
            self._count(due, woken, sent, done, int(outcome), int(code))

    def _count(self, due: float, woken: float, sent: float, done: float, outcome: int, code: int) -> None:
        tally = self.at(due)
        tally.offered += 1
        tally.behind += woken - due > self.tolerance
        tally.lost += woken - due
        tally.waited += done - due
        if outcome == UNSENT:
            tally.unsent += 1
            if code:
                tally.details[f"errno {code}"] += 1
            return
        tally.sent += 1
        tally.late += sent - due > self.tolerance
        if outcome == ABANDONED:
            tally.abandoned += 1
            return
        tally.outcomes[outcome] += 1
        self.last = max(self.last, done)
        if outcome == OK:
            tally.record((done - due) * 1e6)
            self.at(done).answered += 1
            return
        if outcome == SHED:
            tally.record_refusal((done - due) * 1e6)
        if code:
            tally.details[f"{OUTCOMES[outcome]} {code}"] += 1

    def between(self, start: float = 0.0, end: float = math.inf) -> Tally:
        """Return the tally of all windows that begin in a span."""
        total = Tally()
        for number in sorted(self.tallies):
            if start - 1e-9 <= number * self.window < end - 1e-9:
                total.add(self.tallies[number])
        return total
