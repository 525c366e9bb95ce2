"""Results of a case, each a check with its value, its bound and whether it passed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the report; ``passed`` is None for information without a bound."""

    what: str
    measured: str
    expected: str = ""
    passed: bool | None = None
    value: float | None = None


def info(what: str, value: float, unit: str = "", *, note: str = "") -> Check:
    return Check(what=what, measured=_figure(value, unit, note), value=value)


def at_most(what: str, value: float | None, bound: float, unit: str = "", *, note: str = "") -> Check:
    """Return a check that ``value`` is at most ``bound``; a missing value fails."""
    passed = value is not None and value <= bound
    return Check(
        what=what, measured=_figure(value, unit, note), expected=f"≤ {bound:,.4g}{unit}", passed=passed, value=value
    )


def at_least(what: str, value: float | None, bound: float, unit: str = "", *, note: str = "") -> Check:
    passed = value is not None and value >= bound
    return Check(
        what=what, measured=_figure(value, unit, note), expected=f"≥ {bound:,.4g}{unit}", passed=passed, value=value
    )


def equal(what: str, measured: object, expected: object, *, note: str = "") -> Check:
    return Check(
        what=what, measured=f"{measured}{note and f' ({note})'}", expected=str(expected), passed=measured == expected
    )


def show(console: Console, cases: Mapping[str, Sequence[Check]]) -> None:
    table = Table(title="chaos", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("case", "what", "measured", "expected", ""):
        table.add_column(name, overflow="fold")
    for case, lines in cases.items():
        for number, line in enumerate(lines):
            verdict = {None: "", True: "[green]passed[/green]", False: "[red]FAILED[/red]"}[line.passed]
            table.add_row("" if number else f"[bold]{case}[/bold]", line.what, line.measured, line.expected, verdict)
        table.add_section()
    console.print(table, highlight=False)


def to_json(cases: Mapping[str, Sequence[Check]]) -> dict[str, Any]:
    return {case: [asdict(line) for line in lines] for case, lines in cases.items()}


def all_passed(cases: Mapping[str, Sequence[Check]]) -> bool:
    """Return whether there is at least one check with a bound, and all of them passed."""
    asked = [line.passed for lines in cases.values() for line in lines if line.passed is not None]
    return bool(asked) and all(asked)


def _figure(value: float | None, unit: str, note: str) -> str:
    figure = "no value" if value is None else f"{value:,.0f}{unit}" if value >= 1000 else f"{value:,.4g}{unit}"
    return f"{figure} ({note})" if note else figure
