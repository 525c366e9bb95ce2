"""Objectives such as ``p99<100ms``: what is asked of a run, and whether it held."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from review_stress.measurement.outcomes import SHED
from review_stress.measurement.tally import Tally

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
    """What was written is no objective."""


@dataclass(frozen=True)
class Objective:
    """A bound on a figure: milliseconds for latencies, percent for shares, ok answers a second for the rate."""

    text: str
    name: str
    sign: str
    bound: float

    @property
    def percent(self) -> float | None:
        """The percentile that is bounded, if one is."""
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

    def value(self, tally: Tally, *, rate: float) -> float | None:
        """Return the figure that is bounded; nothing answered has no percentiles."""
        if self.percent is not None:
            return tally.percentile(self.percent)
        match self.name:
            case "rate":
                return rate
            case "errors":
                part, whole = tally.errors(), tally.sent
            case "shed":
                part, whole = tally.outcomes[SHED], tally.sent
            case "late":
                part, whole = tally.late, tally.offered
            case _:
                part, whole = tally.unsent, tally.offered
        return 100 * part / whole if whole else None

    def judge(self, tally: Tally, *, rate: float) -> dict[str, Any]:
        """Return the figure and whether the objective held; a figure that there is not holds nothing."""
        value = self.value(tally, rate=rate)
        held = value is not None and _SIGNS[self.sign](value, self.bound)
        return {
            "objective": self.text,
            "value": None if value is None else round(value, 4),
            "unit": self.unit,
            "held": held,
        }


def parse(text: str) -> Objective:
    """Read an objective."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ObjectiveError(
            f"{text!r} is no objective; write it like p99<100ms, errors<0.1%, shed<5%, late<1%, unsent<1% or rate>500"
        )
    name, sign, bound, unit = found["name"], found["sign"], float(found["bound"]), found["unit"]
    if name in _SHARES:
        if unit != "%":
            raise ObjectiveError(f"{text!r}: {name} wants percent, as in {name}{sign}{found['bound']}%")
    elif name == "rate":
        if unit not in {"", "/s"}:
            raise ObjectiveError(f"{text!r}: rate is ok answers a second, as in rate>500")
    elif unit not in _MILLISECONDS:
        raise ObjectiveError(f"{text!r}: {name} wants us, ms or s, as in {name}{sign}100ms")
    else:
        bound *= _MILLISECONDS[unit]
    return Objective(text.strip(), name, sign, bound)
