"""What is to be reached: ratios of figures of one run, each with its bound."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from tools.bench import callers, coldstart, memory, neighbours, sizes, throughput, watching
from tools.bench.figures import OBVIOUS, OBVIOUS_CODE, OURS, Figures, Row, spread
from tools.bench.stages import AGREEMENT, stage_row


class Target(NamedTuple):
    """A bound on what ``of`` makes of one value of each cell, a row and a side; ``at_least`` or else at most."""

    name: str
    unit: str
    bound: float
    cells: tuple[tuple[Row, str], ...]
    of: Callable[..., float] = lambda value: value
    at_least: bool = False


def _ratio(upper: float, lower: float) -> float:
    return upper / lower


_SINGLE, _BATCH = stage_row(1, "total"), stage_row(1_000, "total")
# MeCab's part of that total.
_MECAB = stage_row(1, "tokenise")
_LOADED = throughput.rows(10)
_MEMORY = memory.rows(memory.WORKED)
_CPU = (callers.CPU, OBVIOUS), (callers.CPU, OURS)

TARGETS = (
    Target(
        "server CPU a review, the obvious way : ours (10 connections)",
        "×",
        10,
        ((_LOADED["cpu"], OBVIOUS), (_LOADED["cpu"], OURS)),
        _ratio,
        at_least=True,
    ),
    Target("server CPU a review, the obvious way : ours (10 processes)", "×", 10, _CPU, _ratio, at_least=True),
    Target(
        "requests/s at 10 connections, ours : the obvious way",
        "×",
        12,
        ((_LOADED["rate"], OURS), (_LOADED["rate"], OBVIOUS)),
        _ratio,
        at_least=True,
    ),
    Target(
        "single review in process, the obvious way : ours",
        "×",
        7,
        ((_SINGLE, OBVIOUS), (_SINGLE, OURS)),
        _ratio,
        at_least=True,
    ),
    Target(
        "single review in process where MeCab's part is 45 µs",
        "µs",
        115,
        ((_SINGLE, OURS), (_MECAB, OURS)),
        lambda single, mecab: single * 45 / mecab,
    ),
    Target("a review of a batch of 1,000 : single", "×", 0.8, ((_BATCH, OURS), (_SINGLE, OURS)), _ratio),
    Target(
        "cold start where the obvious way takes 0.9 s",
        "s",
        0.5,
        ((coldstart.SECONDS, OURS), (coldstart.SECONDS, OBVIOUS)),
        lambda ours, obvious: ours * 0.9 / obvious,
    ),
    Target("first worker after work, PSS", "MB", 90, ((_MEMORY["first"], OURS),)),
    Target("each further worker after work, USS", "MB", 15, ((_MEMORY["further"], OURS),)),
    Target("serving requirements installed", "MB", 230, ((sizes.REQUIREMENTS, OURS),)),
    Target("metrics, logs and keys on : off, server CPU a review", "×", 1.3, ((watching.RATIO, OURS),)),
    Target("counting a request", "µs", 10, ((watching.COUNTING, OURS),)),
    Target("p99 of single reviews beside lists : in quiet", "×", 3, ((neighbours.RATIO, OURS),)),
    Target("largest difference from our model in obvious code", "stars", 1e-6, ((AGREEMENT, OBVIOUS_CODE),)),
)


def judge(figures: Figures) -> list[dict[str, Any]]:
    """Return the targets whose figures were measured: of the medians, and from round to round."""
    judged = []
    for target in TARGETS:
        cells = [figures.values(row, side) for row, side in target.cells]
        if not all(cells):
            continue
        value = target.of(*map(median, cells))
        judged.append(
            {
                "name": target.name,
                "unit": target.unit,
                "relation": "≥" if target.at_least else "≤",
                "bound": target.bound,
                **spread([target.of(*values) for values in zip(*cells, strict=True)]),
                "value": value,
                "reached": value >= target.bound if target.at_least else value <= target.bound,
            }
        )
    return judged
