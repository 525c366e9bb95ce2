"""HTML page with SVG plots of time and memory by number of rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import product
from typing import Any

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 340, 30, 260
_COLOURS = {"one": "#1769aa", "two": "#b3470f", "dask-one": "#2a7f4f", "dask-two": "#7a3fa0"}
_MEASURES = {"seconds": "seconds", "peak": "peak memory, MB"}
_STYLE = (
    "body{font:15px system-ui;margin:2em;max-width:1000px}svg{width:460px}text{font-size:12px;fill:#444}"
    "line{stroke:#ddd}polyline{fill:none;stroke-width:2}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
)

Records = Sequence[Mapping[str, Any]]


def page(records: Records) -> str:
    """Return the page: plots for training and scoring (both axes logarithmic) and a table of the numbers."""
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    plots = [
        plot(f"{kind}: {name}", [record for record in records if record["kind"] == kind], measure)
        for kind, (measure, name) in product(kinds, _MEASURES.items())
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Scaling</title><style>{_STYLE}</style>'
        f"<h1>Scaling</h1>{''.join(plots)}{_table(records)}</html>\n"
    )


def plot(title: str, records: Records, measure: str) -> str:
    """Return one plot with a line for each configuration."""
    xs, ys = [record["rows"] for record in records], [record[measure] for record in records]
    ticks_x, ticks_y = sorted(set(xs)), _decades(ys)
    marks = [f'<text x="{_LEFT}" y="16">{escape(title)}</text>']
    for tick in ticks_y:
        y = _place(tick, ticks_y, _BOTTOM, _TOP)
        marks.append(f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,.4g}</text>')
    for tick in ticks_x:
        x = _place(tick, ticks_x, _LEFT, _RIGHT)
        marks.append(f'<text x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{tick:,}</text>')
    for number, way in enumerate(dict.fromkeys(record["way"] for record in records)):
        points = sorted((record["rows"], record[measure]) for record in records if record["way"] == way)
        places = [(_place(x, ticks_x, _LEFT, _RIGHT), _place(y, ticks_y, _BOTTOM, _TOP)) for x, y in points]
        colour = _COLOURS.get(way, "#444")
        marks.append(f'<polyline stroke="{colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
        marks += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" data-value="{value:.6g}">'
            f"<title>{escape(way)}, {rows:,} rows: {value:,.1f}</title></circle>"
            for (x, y), (rows, value) in zip(places, points, strict=True)
        ]
        marks.append(f'<text x="{_RIGHT + 14}" y="{_TOP + 18 * number}" style="fill:{colour}">{escape(way)}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(marks)}</svg>'


def _decades(values: Iterable[float]) -> list[float]:
    """Return ticks at 1, 3, 10, … that enclose the values."""
    logs = [math.log10(max(value, 1e-3)) for value in values]
    low, high = math.floor(min(logs) * 2), math.ceil(max(logs) * 2)
    return [round(10 ** (half / 2), 0 if half > 0 else 3) for half in range(low, max(high, low + 1) + 1)]


def _place(value: float, ticks: Sequence[float], start: float, end: float) -> float:
    """Return the position of a value on a logarithmic axis from the first to the last tick."""
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    share = (math.log(max(value, 1e-3)) - low) / (high - low) if high > low else 0.5
    return start + (end - start) * share


def _table(records: Records) -> str:
    head = "<tr><th>what<th>rows<th>way<th>seconds<th>peak, MB<th>rows a second</tr>"
    rows = [
        f"<tr><td>{record['kind']}<td>{record['rows']:,}<td>{record['way']}<td>{record['seconds']:.1f}"
        f"<td>{record['peak']:.0f}<td>"
        + ", ".join(f"{step} {pace:,}" for step, pace in record["rows_a_second"].items())
        + "</tr>"
        for record in sorted(records, key=lambda record: (record["kind"], record["rows"], record["way"]))
    ]
    return f"<table>{head}{''.join(rows)}</table>"
