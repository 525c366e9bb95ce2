"""Measures predicted stars against true stars."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from review_training.corpus.tokenized_corpus import Stars

_STARS = (1, 2, 3, 4, 5)


class Figures(NamedTuple):
    """Root mean squared and mean absolute error in stars; rank correlation; quadratically weighted kappa.

    ``spearman`` is 0 if either side is constant: such a predictor ranks nothing.
    """

    rmse: float
    mae: float
    spearman: float
    qwk: float


def measure(true: Stars, predicted: Stars) -> Figures:
    """Return the figures of ``predicted`` against ``true``, both of shape ``(n,)``, in stars.

    Kappa compares stars rounded to integers (Cohen 1968, quadratic weights).
    """
    error = predicted - true
    varies = np.ptp(true) > 0 and np.ptp(predicted) > 0
    rounded = [np.rint(np.clip(stars, 1, 5)).astype(int) for stars in (true, predicted)]
    kappa = cohen_kappa_score(*rounded, labels=_STARS, weights="quadratic") if np.ptp(rounded) > 0 else 0.0
    return Figures(
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        spearman=float(spearmanr(true, predicted).statistic) if varies else 0.0,
        qwk=float(kappa),
    )


def flatten_figures(rows: int, figures: Mapping[str, Figures]) -> dict[str, float]:
    """Return one flat object: ``rows``, the model's figures, and other predictors' as ``constant_rmse`` and so on."""
    flat: dict[str, float] = {"rows": rows}
    for predictor, measured in figures.items():
        prefix = "" if predictor == "model" else f"{predictor}_"
        flat |= {f"{prefix}{name}": round(value, 6) for name, value in measured._asdict().items()}
    return flat


def format_figures(figures: Mapping[str, Figures]) -> str:
    """Return a table with a line for each predictor."""
    lines = [f"{'':10}" + "".join(f"{name:>10}" for name in Figures._fields)]
    lines += [f"{name:10}" + "".join(f"{value:10.4f}" for value in measured) for name, measured in figures.items()]
    return "\n".join(lines)
