"""How far predicted stars are from true ones."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

_STARS = (1, 2, 3, 4, 5)


class Figures(NamedTuple):
    """Root mean squared and mean absolute error in stars; rank correlation; quadratically weighted kappa.

    ``spearman`` is 0 where either side is constant: such a predictor ranks nothing.
    """

    rmse: float
    mae: float
    spearman: float
    qwk: float


def measure(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> Figures:
    """Return the figures of ``predicted`` against ``true``, both of shape ``(n,)``, in stars.

    Kappa compares stars rounded to whole ones (Cohen 1968, weights quadratic).
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


def report(rows: int, figures: Mapping[str, Figures]) -> dict[str, float]:
    """Return one flat object: ``rows``, the model's figures, and the others' as ``constant_rmse`` and so on."""
    flat: dict[str, float] = {"rows": rows}
    for name, measured in figures.items():
        prefix = "" if name == "model" else f"{name}_"
        flat |= {f"{prefix}{figure}": round(value, 6) for figure, value in measured._asdict().items()}
    return flat


def table(figures: Mapping[str, Figures]) -> str:
    """Return the figures as lines for people."""
    lines = [f"{'':10}" + "".join(f"{name:>10}" for name in Figures._fields)]
    lines += [f"{name:10}" + "".join(f"{value:10.4f}" for value in measured) for name, measured in figures.items()]
    return "\n".join(lines)
