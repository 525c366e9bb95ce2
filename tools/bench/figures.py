"""Measured values by row and side, one for each round."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

SERVICE, BASELINE, BASELINE_CODE = "service", "baseline", "same model, baseline code"
SIDES = (SERVICE, BASELINE, BASELINE_CODE)


class Row(NamedTuple):
    """A row of the report."""

    group: str
    name: str
    unit: str


class Figures:
    """Values of all rounds; rows keep the order in which they were added first."""

    def __init__(self) -> None:
        self._values: dict[Row, dict[str, list[float]]] = {}

    def add(self, side: str, measured: Mapping[Row, float]) -> None:
        """Add the values of one round on one side."""
        for row, value in measured.items():
            self._values.setdefault(row, {}).setdefault(side, []).append(value)

    def values(self, row: Row, side: str) -> list[float]:
        """Return the value of each round, or an empty list if nothing was measured."""
        return self._values.get(row, {}).get(side, [])

    def as_json(self) -> list[dict[str, Any]]:
        """Return the rows by group, each with the median, the range and the values of its sides."""
        groups = list(dict.fromkeys(row.group for row in self._values))
        ordered = sorted(self._values.items(), key=lambda item: groups.index(item[0].group))
        return [
            {**row._asdict(), "sides": {side: spread(values) | {"values": values} for side, values in sides.items()}}
            for row, sides in ordered
        ]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the minimum and the maximum."""
    return {"median": median(values), "low": min(values), "high": max(values)}
