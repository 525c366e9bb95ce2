"""The plots of the model card, as SVG.

Each mark has its number in ``data-value``, and its place among the numbers in ``data-plot`` and ``data-key``. The
labels are those of the card's language.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape

from markupsafe import Markup

from review_training.card.numbers import BIN, STARS, CardNumbers, SliceNumbers, StarNumbers

_WIDTH = 400


def stars_plot(stars: Sequence[StarNumbers], *, label: str, true: str, predicted: str) -> Markup:
    """Return bars of the true stars beside those of the predictions."""
    left, right, top, bottom = 46, 396, 30, 200
    most = max(max(star.rows, star.predicted_rows) for star in stars)
    marks = [*_legend("true", left, true), *_legend("model", left + 130, predicted)]
    for tick in _ticks(most):
        y = bottom - (bottom - top) * tick / most
        marks += [_line("grid", left, y, right, y), _text(left - 6, y + 4, _short(tick), anchor="end")]
    band = (right - left) / len(stars)
    for at, star in enumerate(stars):
        series = (("rows", "true", true, star.rows), ("predicted_rows", "model", predicted, star.predicted_rows))
        for side, (field, style, name, count) in enumerate(series):
            height = (bottom - top) * count / most
            x = left + band * at + 6 + side * (band - 12) / 2
            title = f"★{star.stars} {name}: {count:,}"
            data = _data(field, star.stars, count)
            marks.append(_rect(style, x, bottom - height, (band - 12) / 2 - 2, height, data, title))
        marks.append(_text(left + band * (at + 0.5), bottom + 18, f"★{star.stars}", style="ink"))
    return _svg(bottom + 26, label, marks)


def agreement_plot(numbers: CardNumbers, *, label: str, true: str, predicted: str) -> Markup:
    """Return a grid of predictions by true stars, with the median and the range of each column."""
    left, top, wide, high = 56, 10, 68, 30
    bins, stars = numbers.predicted, numbers.stars
    bottom = top + high * len(bins)

    def place(score: float) -> float:
        return bottom - (score - 1) / BIN * high

    most = max(count / max(star.rows, 1) for each in bins for count, star in zip(each.rows, stars, strict=True))
    marks = []
    for tick in STARS:
        marks += [_line("grid", left, place(tick), _WIDTH, place(tick)), _text(left - 8, place(tick) + 4, f"{tick}")]
    for at, star in enumerate(stars):
        x = left + wide * at
        for each in bins:
            count = each.rows[at]
            shade = count / max(star.rows, 1) / (most or 1)
            data = _data("predicted", f"{each.low}/{star.stars}", count)
            title = f"★{star.stars} → {each.low:.1f}–{each.high:.1f}: {count:,}"
            rest = f' fill-opacity="{shade:.3f}"'
            y = place(each.high)
            marks.append(_rect("cell", x + 1, y + 1, wide - 2, high - 2, data, title, rest))
            marks.append(_text(x + 28, y + high / 2 + 4, _short(count), style="on" if shade > 0.6 else "ink"))
        marks.append(_line("same", x + 2, place(star.stars), x + wide - 2, place(star.stars)))
        if star.low is not None and star.median is not None and star.high is not None:
            x += wide - 11
            marks.append(_line("range", x, place(star.low), x, place(star.high)))
            data = _data("median", star.stars, star.median)
            marks.append(f'<circle class="middle" cx="{x}" cy="{place(star.median):.2f}" r="4.5"{data}/>')
        marks.append(_text(left + wide * (at + 0.5), bottom + 18, f"★{star.stars}", style="ink"))
    marks.append(_text((left + _WIDTH) / 2, bottom + 37, true))
    marks.append(_text(14, (top + bottom) / 2, predicted, upright=True))
    return _svg(bottom + 44, label, marks)


def errors_plot(
    slices: Sequence[SliceNumbers], plot: str, *, label: str, error: str, constant: str, unnamed: str = ""
) -> Markup:
    """Return bars of the errors of each slice; ``plot`` is "length" or "group"."""
    left, right, top, high = 112, 392, 30, 22
    bottom = top + high * len(slices)
    ends = [each.mae + (each.margin or 0) for each in slices] + [each.constant_mae for each in slices]
    most = max(ends) or 1.0

    def place(size: float) -> float:
        return left + (right - left) * size / most

    marks = [
        *_legend("model", left, error),
        _line("other", left + 166, 5, left + 166, 18),
        _text(left + 174, 16, constant, anchor="start"),
    ]
    for tick in _ticks(most):
        marks += [_line("grid", place(tick), top, place(tick), bottom), _text(place(tick), bottom + 16, f"{tick:g}")]
    for at, each in enumerate(slices):
        y = top + high * at
        name = each.name or unnamed
        title = f"{name}: MAE {each.mae:.3f} ({each.rows:,})"
        data = _data(plot, each.name, each.mae)
        marks.append(_text(left - 8, y + 16, _shortened(name), anchor="end", style="ink"))
        marks.append(_rect("model", left, y + 5, place(each.mae) - left, high - 9, data, title))
        if each.margin is not None:
            low, end = place(max(each.mae - each.margin, 0)), place(each.mae + each.margin)
            marks.append(_line("margin", low, y + 11.5, end, y + 11.5))
        x = place(each.constant_mae)
        data = _data(f"{plot}-mean", each.name, each.constant_mae)
        marks.append(_line("other", x, y + 3, x, y + high - 2, data))
    return _svg(bottom + 24, label, marks)


def _svg(height: float, label: str, marks: Iterable[str]) -> Markup:
    inside = "\n".join(marks)
    svg = f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">\n{inside}\n</svg>'
    return Markup(svg)  # noqa: S704 - each mark escapes its texts


def _text(x: float, y: float, content: str, *, anchor: str = "middle", style: str = "", upright: bool = False) -> str:
    kind = f' class="{style}"' if style else ""
    turn = f' transform="rotate(-90 {x:g} {y:.1f})"' if upright else ""
    return f'<text{turn} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(content)}</text>'


def _legend(style: str, x: float, name: str) -> list[str]:
    box = f'<rect class="{style}" x="{x}" y="6" width="11" height="11" rx="2"/>'
    return [box, _text(x + 17, 16, name, anchor="start")]


def _line(style: str, x1: float, y1: float, x2: float, y2: float, data: str = "") -> str:
    return f'<line class="{style}" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"{data}/>'


def _rect(style: str, x: float, y: float, width: float, height: float, data: str, title: str, rest: str = "") -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect class="{style}" {place}{rest}{data}><title>{escape(title)}</title></rect>'


def _data(plot: str, key: object, value: float) -> str:
    return f' data-plot="{plot}" data-key="{escape(str(key))}" data-value="{value}"'


def _short(count: float) -> str:
    """Return a count in at most five characters, up to a thousand million."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= 10 * size:
            return f"{count / size:.0f}{letter}"
    return f"{count:g}"


def _ticks(highest: float) -> list[float]:
    """Return three to six ticks: 0 and round numbers up to ``highest``."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if highest / (power * factor) <= 5)
    return [round(step * at, 9) for at in range(math.floor(highest / step + 1e-9) + 1)]


def _shortened(name: str, room: int = 15) -> str:
    """Return ``name``, cut to the width of ``room`` Latin letters; a Japanese letter is two wide."""
    width = 0
    for at, letter in enumerate(name):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > room:
            return name[: at - 1] + "…"
    return name
