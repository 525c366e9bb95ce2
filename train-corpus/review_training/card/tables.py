"""The rows of the model card's tables: cells of text, the same in every language."""

from collections.abc import Mapping, Sequence

from review_training.card.numbers import BinNumbers, SliceNumbers, StarNumbers, TermNumbers
from review_training.evaluation.rating_metrics import Figures

Row = Sequence[str]


def format_number(value: float | None, spec: str) -> str:
    """Return a number in Python's format ``spec``; a dash if there is none."""
    return "–" if value is None else format(value, spec)


def bar_lengths(values: Sequence[float], most: float | None = None) -> list[float]:
    """Return the length of a bar for each value, 0–1, relative to ``most`` or to the largest value."""
    longest = most or max(map(abs, values), default=0) or 1.0
    return [abs(value) / longest for value in values]


def figure_rows(figures: Mapping[str, Mapping[str, float]], names: Mapping[str, str]) -> list[Row]:
    """Return the figures of each predictor, named by ``names``."""
    return [
        (names[predictor], *(f"{measured[name]:.3f}" for name in Figures._fields))
        for predictor, measured in figures.items()
    ]


def star_rows(stars: Sequence[StarNumbers]) -> list[Row]:
    """Return the number and share of the reviews of each number of stars, and of the predictions."""
    total = sum(star.rows for star in stars)
    return [
        (f"★{star.stars}", f"{star.rows:,}", f"{star.rows / total:.1%}", f"{star.predicted_rows:,}") for star in stars
    ]


def bin_rows(bins: Sequence[BinNumbers]) -> list[Row]:
    """Return the number of predictions by true stars, the highest bin first, and the mean of the true stars."""
    return [
        (
            f"{each.low:.1f}–{each.high:.1f}",
            *(f"{count:,}" for count in each.rows),
            format_number(each.mean_true, ".2f"),
        )
        for each in reversed(bins)
    ]


def range_rows(stars: Sequence[StarNumbers]) -> list[Row]:
    """Return the quantiles of the predictions by true stars."""
    return [
        (f"★{star.stars}", *(format_number(quantile, ".2f") for quantile in (star.low, star.median, star.high)))
        for star in stars
    ]


def error_rows(slices: Sequence[SliceNumbers], unnamed: str = "") -> list[Row]:
    """Return the errors by slice; a slice without a name is called ``unnamed``."""
    return [
        (
            each.name or unnamed,
            f"{each.rows:,}",
            f"{each.mae:.2f}" + ("" if each.margin is None else f" ±{each.margin:.2f}"),
            f"{each.bias:+.2f}",
            f"{each.constant_mae:.2f}",
        )
        for each in slices
    ]


def term_rows(terms: Sequence[TermNumbers]) -> list[Row]:
    """Return weight, number of reviews and mean stars of each term."""
    return [(term.term, f"{term.weight:+.2f}", f"{term.rows:,}", f"{term.mean_stars:.2f}") for term in terms]
