"""What was measured: values by row and side, one a round."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

OURS, OBVIOUS, OBVIOUS_CODE = "ours", "the obvious way", "our model in obvious code"
SIDES = (OURS, OBVIOUS, OBVIOUS_CODE)


class Row(NamedTuple):
    """One line of the table."""

    group: str
    name: str
    unit: str


class Figures:
    """The values of every round, in the order in which the rows first came."""

    def __init__(self) -> None:
        self._values: dict[Row, dict[str, list[float]]] = {}

    def add(self, side: str, measured: Mapping[Row, float]) -> None:
        """Keep what one round on one side gave."""
        for row, value in measured.items():
            self._values.setdefault(row, {}).setdefault(side, []).append(value)

    def values(self, row: Row, side: str) -> list[float]:
        """Return the value of each round; empty where nothing was measured."""
        return self._values.get(row, {}).get(side, [])

    def as_json(self) -> list[dict[str, Any]]:
        """Return every row with its sides' medians, spreads and values, group by group."""
        groups = list(dict.fromkeys(row.group for row in self._values))
        ordered = sorted(self._values.items(), key=lambda item: groups.index(item[0].group))
        return [
            {**row._asdict(), "sides": {side: spread(values) | {"values": values} for side, values in sides.items()}}
            for row, sides in ordered
        ]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the lowest and the highest of the values."""
    return {"median": median(values), "low": min(values), "high": max(values)}
