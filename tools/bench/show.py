"""Report on a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from tools.bench.figures import SIDES


def show(console: Console, report: dict[str, Any]) -> None:
    """Print the rows, the targets and the notes."""
    table = Table(title="medians (lowest – highest round)", title_justify="left")
    table.add_column("")
    for side in SIDES:
        table.add_column(side, justify="right")
    group = ""
    for row in report["rows"]:
        if row["group"] != group:
            group = row["group"]
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        unit = f", {row['unit']}" if row["unit"] else ""
        table.add_row(f"{row['name']}{unit}", *(_cell(row["sides"].get(side)) for side in SIDES))
    console.print(table)
    if report["targets"]:
        console.print(_targets(report["targets"]))
    for note in report["notes"]:
        console.print(f"[yellow]note[/yellow]  {note}", soft_wrap=True)


def _targets(targets: list[dict[str, Any]]) -> Table:
    table = Table(title="targets", title_justify="left")
    for name in ("", "value", "range", "target", "reached"):
        table.add_column(name, justify="left" if not name else "right")
    for target in targets:
        table.add_row(
            target["name"],
            f"{number(target['value'])} {target['unit']}",
            f"{number(target['low'])} – {number(target['high'])}",
            f"{target['relation']} {target['bound']:g} {target['unit']}",
            "[green]yes[/green]" if target["reached"] else "[red]no[/red]",
        )
    return table


def _cell(side: dict[str, Any] | None) -> str:
    if not side:
        return ""
    if side["low"] == side["high"]:
        return number(side["median"])
    return f"{number(side['median'])}  [dim]({number(side['low'])} – {number(side['high'])})[/dim]"


def number(value: float) -> str:
    """Return a number with two or three significant digits; from 100 on, rounded to an integer."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 0.001 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
