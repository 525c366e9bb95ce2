"""Service level objectives such as ``p99<100ms``."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from review_stress.measurement.outcomes import SHED
from review_stress.measurement.window_stats import WindowStats

_FORM = re.compile(
    r"(?P<name>p\d{2,5}|p\d{2}\.\d+|max|errors|shed|late|unsent|rate)\s*(?P<sign><=|>=|<|>)\s*"
    r"(?P<bound>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%|/s|)"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_SHARES = {"errors", "shed", "late", "unsent"}


class ObjectiveError(Exception):
    """The text is not a valid objective."""


@dataclass(frozen=True)
class Objective:
    """A bound on a figure: a latency in ms, a share in percent, or the rate of ok responses per second."""

    text: str
    name: str
    sign: str
    bound: float

    @property
    def percent(self) -> float | None:
        """The percentile of the objective, or None for another figure."""
        if self.name == "max":
            return 100.0
        if not re.match(r"p\d", self.name):
            return None
        digits = self.name[1:]
        return float(digits) if "." in digits else float(f"{digits[:2]}.{digits[2:] or 0}")

    @property
    def unit(self) -> str:
        """The unit of the bound."""
        return "%" if self.name in _SHARES else "/s" if self.name == "rate" else "ms"

    def value(self, stats: WindowStats, *, rate: float) -> float | None:
        """Return the figure of the objective; None without responses."""
        if self.percent is not None:
            return stats.percentile(self.percent)
        match self.name:
            case "rate":
                return rate
            case "errors":
                part, whole = stats.errors(), stats.sent
            case "shed":
                part, whole = stats.outcomes[SHED], stats.sent
            case "late":
                part, whole = stats.late, stats.offered
            case _:
                part, whole = stats.unsent, stats.offered
        return 100 * part / whole if whole else None

    def judge(self, stats: WindowStats, *, rate: float) -> dict[str, Any]:
        """Return the figure and whether the objective is met; it is not met without a figure."""
        value = self.value(stats, rate=rate)
        met = value is not None and _SIGNS[self.sign](value, self.bound)
        return {
            "objective": self.text,
            "value": None if value is None else round(value, 4),
            "unit": self.unit,
            "met": met,
        }


def parse(text: str) -> Objective:
    """Parse an objective."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ObjectiveError(
            f"{text!r} is not an objective, such as p99<100ms, errors<0.1%, shed<5%, late<1%, unsent<1% or rate>500"
        )
    name, sign, bound, unit = found["name"], found["sign"], float(found["bound"]), found["unit"]
    if name in _SHARES:
        if unit != "%":
            raise ObjectiveError(f"{text!r}: {name} requires percent, as in {name}{sign}{found['bound']}%")
    elif name == "rate":
        if unit not in {"", "/s"}:
            raise ObjectiveError(f"{text!r}: rate is ok responses per second, as in rate>500")
    elif unit not in _MILLISECONDS:
        raise ObjectiveError(f"{text!r}: {name} requires us, ms or s, as in {name}{sign}100ms")
    else:
        bound *= _MILLISECONDS[unit]
    return Objective(text.strip(), name, sign, bound)
