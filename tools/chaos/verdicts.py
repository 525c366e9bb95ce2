"""What a case of chaos found, line by line: what was wanted, what was seen, whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table; ``holds`` is None where nothing was asked, only told."""

    what: str
    seen: str
    wanted: str = ""
    holds: bool | None = None
    value: float | None = None


def told(what: str, value: float, unit: str = "", *, note: str = "") -> Line:
    return Line(what=what, seen=_figure(value, unit, note), value=value)


def at_most(what: str, value: float | None, bound: float, unit: str = "", *, note: str = "") -> Line:
    """A figure that must not be above ``bound``; one that there is not holds nothing."""
    holds = value is not None and value <= bound
    return Line(what=what, seen=_figure(value, unit, note), wanted=f"≤ {bound:,.4g}{unit}", holds=holds, value=value)


def at_least(what: str, value: float | None, bound: float, unit: str = "", *, note: str = "") -> Line:
    holds = value is not None and value >= bound
    return Line(what=what, seen=_figure(value, unit, note), wanted=f"≥ {bound:,.4g}{unit}", holds=holds, value=value)


def equal(what: str, seen: object, wanted: object, *, note: str = "") -> Line:
    return Line(what=what, seen=f"{seen}{note and f' ({note})'}", wanted=str(wanted), holds=seen == wanted)


def show(console: Console, cases: Mapping[str, Sequence[Line]]) -> None:
    table = Table(title="chaos", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("case", "what", "seen", "wanted", ""):
        table.add_column(name, overflow="fold")
    for case, lines in cases.items():
        for number, line in enumerate(lines):
            verdict = {None: "", True: "[green]holds[/green]", False: "[red]FALLS SHORT[/red]"}[line.holds]
            table.add_row("" if number else f"[bold]{case}[/bold]", line.what, line.seen, line.wanted, verdict)
        table.add_section()
    console.print(table, highlight=False)


def to_json(cases: Mapping[str, Sequence[Line]]) -> dict[str, Any]:
    return {case: [asdict(line) for line in lines] for case, lines in cases.items()}


def hold(cases: Mapping[str, Sequence[Line]]) -> bool:
    """Whether something was asked, and nothing fell short."""
    asked = [line.holds for lines in cases.values() for line in lines if line.holds is not None]
    return bool(asked) and all(asked)


def _figure(value: float | None, unit: str, note: str) -> str:
    figure = "nothing to judge" if value is None else f"{value:,.0f}{unit}" if value >= 1000 else f"{value:,.4g}{unit}"
    return f"{figure} ({note})" if note else figure
