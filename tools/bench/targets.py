"""Performance targets: ratios of figures of one run, each with a bound."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from tools.bench.experiments import clients, coldstart, memory, mixed_load, overhead, sizes, throughput
from tools.bench.experiments.stages import AGREEMENT, stage_row
from tools.bench.figures import BASELINE, BASELINE_CODE, SERVICE, Figures, Row, spread


class Target(NamedTuple):
    """A bound on ``of``, a function of one value of each cell (a row and a side): at most, or ``at_least``."""

    name: str
    unit: str
    bound: float
    cells: tuple[tuple[Row, str], ...]
    of: Callable[..., float] = lambda value: value
    at_least: bool = False


def _ratio(upper: float, lower: float) -> float:
    return upper / lower


_SINGLE, _BATCH = stage_row(1, "total"), stage_row(1_000, "total")
# MeCab's share of that total.
_MECAB = stage_row(1, "tokenise")
_LOADED = throughput.rows(10)
_MEMORY = memory.rows(memory.WORKED)
_CPU = (clients.CPU, BASELINE), (clients.CPU, SERVICE)

TARGETS = (
    Target(
        "server CPU per review, baseline : service (10 connections)",
        "×",
        10,
        ((_LOADED["cpu"], BASELINE), (_LOADED["cpu"], SERVICE)),
        _ratio,
        at_least=True,
    ),
    Target("server CPU per review, baseline : service (10 processes)", "×", 10, _CPU, _ratio, at_least=True),
    Target(
        "requests/s at 10 connections, service : baseline",
        "×",
        12,
        ((_LOADED["rate"], SERVICE), (_LOADED["rate"], BASELINE)),
        _ratio,
        at_least=True,
    ),
    Target(
        "single review in process, baseline : service",
        "×",
        7,
        ((_SINGLE, BASELINE), (_SINGLE, SERVICE)),
        _ratio,
        at_least=True,
    ),
    Target(
        "single review in process, scaled to 45 µs in MeCab",
        "µs",
        115,
        ((_SINGLE, SERVICE), (_MECAB, SERVICE)),
        lambda single, mecab: single * 45 / mecab,
    ),
    Target("review in a batch of 1,000 : single review", "×", 0.8, ((_BATCH, SERVICE), (_SINGLE, SERVICE)), _ratio),
    Target(
        "cold start, scaled to 0.9 s of the baseline",
        "s",
        0.5,
        ((coldstart.SECONDS, SERVICE), (coldstart.SECONDS, BASELINE)),
        lambda service, baseline: service * 0.9 / baseline,
    ),
    Target("first worker after work, PSS", "MB", 90, ((_MEMORY["first"], SERVICE),)),
    Target("each further worker after work, USS", "MB", 15, ((_MEMORY["further"], SERVICE),)),
    Target("serving requirements installed", "MB", 230, ((sizes.REQUIREMENTS, SERVICE),)),
    Target("metrics, logs and keys on : off, server CPU per review", "×", 1.3, ((overhead.RATIO, SERVICE),)),
    Target("counting a request", "µs", 10, ((overhead.COUNTING, SERVICE),)),
    Target("p99 of single reviews, beside lists : alone", "×", 3, ((mixed_load.RATIO, SERVICE),)),
    Target("largest difference from the same model in baseline code", "stars", 1e-6, ((AGREEMENT, BASELINE_CODE),)),
)


def judge(figures: Figures) -> list[dict[str, Any]]:
    """Return the targets whose figures were measured, with the value of the medians and its range over the rounds."""
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
