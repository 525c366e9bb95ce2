"""How far predicted stars are from true ones."""

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


def report(rows: int, figures: Figures, constant: Figures) -> dict[str, float]:
    """Return one flat object: ``rows``, the figures, and those of the constant predictor with ``constant_`` before."""
    return {
        "rows": rows,
        **{name: round(value, 6) for name, value in figures._asdict().items()},
        **{f"constant_{name}": round(value, 6) for name, value in constant._asdict().items()},
    }


def table(report: dict[str, float]) -> str:
    """Return a report as lines for people."""
    lines = [f"{'':10}" + "".join(f"{name:>10}" for name in Figures._fields)]
    for title, prefix in (("model", ""), ("constant", "constant_")):
        lines.append(f"{title:10}" + "".join(f"{report[prefix + name]:10.4f}" for name in Figures._fields))
    return "\n".join(lines)
