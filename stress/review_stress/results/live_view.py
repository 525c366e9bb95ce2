"""Progress of a run: a live view on a terminal, else a line every 5 s."""

import asyncio
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from review_stress.load.driver import Run
from review_stress.measurement.outcomes import OK, OUTCOMES
from review_stress.measurement.window_stats import WindowStats

BARS = " ▁▂▃▄▅▆▇█"
COLOURS = {"ok": "green", "shed": "yellow"}
VIEW_SECONDS, LINE_SECONDS = 0.5, 5.0


class View:
    """Shows the progress of a run; ``watcher`` is that of the cluster, if there is one."""

    def __init__(self, console: Console, run: Run, watcher: Any = None) -> None:
        self._console = console
        self._run = run
        self._watcher = watcher
        self._seen: dict[int, tuple[float, float]] = {}

    async def show(self) -> None:
        """Show until cancelled."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(LINE_SECONDS)
                self._console.print(self._line(), highlight=False, soft_wrap=True)
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self._panel(), refresh=True)
                await asyncio.sleep(VIEW_SECONDS)

    def _latest(self) -> tuple[int, WindowStats]:
        """Return the number and statistics of the last complete window."""
        timeline = self._run.timeline
        number = max(0, int(self._run.elapsed / timeline.window) - 1)
        return number, timeline.windows.get(number, WindowStats())

    def _line(self) -> str:
        number, stats = self._latest()
        window = self._run.timeline.window
        latency = stats.latency()
        latencies = f"p50 {latency['p50']:,.1f} ms  p99 {latency['p99']:,.1f} ms" if latency else "no ok response"
        bad = "  ".join(f"{OUTCOMES[kind]} {n:,}" for kind, n in sorted(stats.outcomes.items()) if kind != OK)
        return (
            f"{(number + 1) * window:6.0f} s  {self._run.phase}  offered {stats.offered / window:,.0f}/s  "
            f"ok {stats.answered / window:,.0f}/s  {latencies}  {bad}  {self._replicas()}".rstrip()
        )

    def _replicas(self) -> str:
        if not self._watcher:
            return ""
        sample = self._watcher.latest()
        load = "" if sample.current is None else f"  HPA {sample.current:g} of {sample.target:g}"
        return f"replicas {sample.ready}/{sample.desired}{load}"

    def _panel(self) -> Panel:
        run, (number, stats) = self._run, self._latest()
        window = run.timeline.window
        latency = stats.latency() or {}
        p50, p99 = latency.get("p50", 0.0), latency.get("p99", 0.0)
        self._seen[number] = (stats.answered / window, p99)
        recent = [self._seen.get(one, (0.0, 0.0)) for one in range(max(0, number - 59), number + 1)]
        figures = Table.grid(padding=(0, 2))
        figures.add_row("offered", f"{stats.offered / window:,.0f}/s")
        figures.add_row("ok", f"{stats.answered / window:,.0f}/s", Text(_bars([rate for rate, _ in recent]), "green"))
        figures.add_row("p50", f"{p50:,.1f} ms")
        figures.add_row("p99", f"{p99:,.1f} ms", Text(_bars([p99 for _, p99 in recent]), "cyan"))
        figures.add_row("in flight", f"{sum(state.pending for state in run.states):,}")
        if self._watcher:
            figures.add_row("Kubernetes", self._replicas())
        outcomes = Table.grid(padding=(0, 2))
        total = [sum(one.outcomes[kind] for one in run.timeline.windows.values()) for kind in range(len(OUTCOMES))]
        for name, count in zip(OUTCOMES, total, strict=True):
            if count or name == "ok":
                outcomes.add_row(name, Text(f"{count:,}", COLOURS.get(name, "red")))
        both = Table.grid(padding=(0, 6))
        both.add_row(figures, outcomes)
        whole = max(run.seconds, 0.001)
        bar = ProgressBar(total=whole, completed=min(run.elapsed, whole), width=60)
        title = f"{run.phase}  {run.elapsed:,.0f} s" + ("  stopping" if run.interrupted else "")
        return Panel(Group(bar, Text(), both), title=title, title_align="left", subtitle=run.load.config.url, width=100)


def _bars(values: list[float]) -> str:
    most = max(values, default=0.0) or 1.0
    return "".join(BARS[round(value / most * (len(BARS) - 1))] for value in values)
