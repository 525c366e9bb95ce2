"""Summary of a report on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from review_stress.measurement.outcomes import MEANINGS

Report = Mapping[str, Any]


def show(console: Console, report: Report) -> None:
    """Print the summary."""
    console.print(_title(report), style="bold", highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    offered = report["offered"]
    table.add_row("due", f"{offered:,}", _share("late", report["late"], offered))
    table.add_row("sent", f"{report['sent']:,}", _share("never sent", report["unsent"], offered))
    for name, count in report["outcomes"].items():
        if count or name == "ok":
            share = f"{100 * count / report['sent']:.2f}%" if report["sent"] else ""
            table.add_row(f"  {name}", f"{count:,}", f"{share:>7}  {MEANINGS[name]}")
    if report["abandoned"]:
        table.add_row("  abandoned", f"{report['abandoned']:,}", "         in flight at the interrupt")
    table.add_row("rate", f"{report['rate']:,.1f}/s", "ok responses")
    if report["latency_ms"]:
        table.add_row("latency", "ms", _latency(report["latency_ms"]))
    if report.get("shed_latency_ms"):
        table.add_row("  of shed", "ms", _latency(report["shed_latency_ms"]))
    lag = report["sender"]["lag_ms"]
    cpu = " ".join(f"{share:.0%}" for share in report["sender"]["cpu"])
    table.add_row("sender", f"{report['sender']['processes']}", f"lag p99 {lag['p99']:,.1f} ms   of a core: {cpu}")
    console.print(table, highlight=False)
    if report["details"]:
        details = sorted(report["details"].items(), key=lambda item: -item[1])[:6]
        console.print("of these: " + ", ".join(f"{what} × {count:,}" for what, count in details), highlight=False)
    _parts(console, report)


def _parts(console: Console, report: Report) -> None:
    if report["breakpoint"]:
        _breakpoint(console, report["breakpoint"])
    if report["kubernetes"]:
        _kubernetes(console, report["kubernetes"])
    for one in report["objectives"]:
        value = "no response" if one["value"] is None else f"{one['value']:,.3f} {one['unit']}"
        verdict = "[green]met[/green]" if one["met"] else "[red]not met[/red]"
        console.print(f"{verdict}  {one['objective']}  ({value})", highlight=False)
    for warning in report["warnings"]:
        console.print(f"[yellow]note[/yellow]  {warning}", highlight=False, soft_wrap=True)
    if report["interrupted"]:
        console.print("[yellow]interrupted[/yellow]  the report is partial", highlight=False)


def original(console: Console, report: Report) -> None:
    """Print the time of each round and the mean, in the format of the original script."""
    for seconds in report["original"]["rounds"]:
        console.print(f"elapsed time {seconds}", highlight=False)
    if report["original"]["mean"] is not None:
        console.print(f"mean {report['original']['mean']}", highlight=False)


def _breakpoint(console: Console, found: Report) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), title="breakpoint", title_justify="left")
    for name in ("rate", "ok/s", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    table.add_column("")
    for step in found["steps"]:
        latency = step["latency_ms"] or {"p50": 0.0, "p99": 0.0}
        verdict = "met" if step["met"] else "violated " + ", ".join(step["violated"] or ["requests were never sent"])
        figures = (step["rate"], step["ok_rate"], latency["p50"], latency["p99"])
        table.add_row(*(f"{figure:,.1f}" for figure in figures), verdict)
    console.print(table, highlight=False)
    if found["rate"] is None:
        console.print("no rate met the objectives", highlight=False)
        return
    line = f"sustained {found['rate']:,.0f}/s"
    if found["failed_at"]:
        line += f", failed at {found['failed_at']:,.0f}/s"
    if found["sender_limited"]:
        line += "; there the sender was the limit, so the target may sustain more"
    console.print(line, highlight=False)


def _kubernetes(console: Console, seen: Report) -> None:
    scaled, suggestion = seen["scale_up"], seen["suggestion"]

    def after(name: str) -> str:
        return "never" if scaled[name] is None else f"{scaled[name]:.0f} s"

    console.print(
        f"after the step of the load ({scaled['step']:.0f} s): {seen['good']} violated {after('degraded')}, "
        f"first new pod ready {after('first_ready')}, {seen['good']} again {after('recovered')}",
        highlight=False,
        soft_wrap=True,
    )
    if suggestion["min_replicas"] is not None:
        cpu = f", CPU target {suggestion['cpu_target']}%" if suggestion["cpu_target"] else ""
        console.print(f"suggested: minReplicas {suggestion['min_replicas']}{cpu}", highlight=False)
    console.print(f"  {suggestion['why']}", highlight=False, soft_wrap=True)
    if seen["error"]:
        console.print(f"[yellow]note[/yellow]  last request to the cluster failed: {seen['error']}", highlight=False)


def _title(report: Report) -> str:
    loop = (
        f"{report['connections']:,} connections, closed loop"
        if report["loop"] == "closed"
        else f"{report['arrival_rate']:,g}/s, open loop, {report['arrivals']} arrivals"
    )
    merged = f", {report['merged']} reports merged" if report.get("merged") else ""
    return f"{report['target']}  {report['profile']}, {loop}, {report['seconds']:,.1f} s{merged}"


def _latency(figures: Mapping[str, float]) -> str:
    return "   ".join(f"{name} {value:,.2f}" for name, value in figures.items())


def _share(name: str, count: int, whole: int) -> str:
    return f"{name} {count:,}" + (f" ({100 * count / whole:.2f}%)" if count and whole else "")
