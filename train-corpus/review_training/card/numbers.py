"""What the model card is drawn from: every number, measured once from the held-out answers and the trained parts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.bundle import Trained
from review_training.evaluation.cross_validation import HeldOut
from review_training.evaluation.rating_metrics import Figures
from review_training.model.fit import Support

STARS = (1, 2, 3, 4, 5)
BIN = 0.5
"""How many stars the answers of one bin span."""
LENGTHS = (0, 10, 20, 40, 80, 160, 320, 640)
"""Where a class of lengths begins, in characters."""
MOST_GROUPS = 40
MOST_TERMS = 30
# A term of fewer reviews is hardly evidence, and might give away what a single one says.
LEAST_REVIEWS = 5

_PREDICTORS = {"model": "", "linear": "linear_", "constant": "constant_", "original": "original_"}
"""What the names of a predictor's figures begin with."""

Numbers = Mapping[str, Any]


class Reviews(NamedTuple):
    """The reviews that were held out: stars, groups (all empty: there are none) and lengths in characters."""

    stars: NDArray[np.float64]
    groups: Sequence[str]
    characters: NDArray[np.int64]


def measure_card(
    *, facts: Mapping[str, Any], own: Reviews, held_out: HeldOut, trained: Trained, support: Support
) -> dict[str, Any]:
    """Return every number of the card, ready for JSON."""
    evaluation, certainty = facts["evaluation"], facts.get("certainty")
    figures = {
        name: {figure: evaluation[prefix + figure] for figure in Figures._fields}
        for name, prefix in _PREDICTORS.items()
        if f"{prefix}rmse" in evaluation
    }
    lengths = np.searchsorted(LENGTHS, own.characters, side="right") - 1
    groups = np.array(own.groups, object)
    names = sorted(set(own.groups)) if any(own.groups) else []
    listed = names if 2 <= len(names) <= MOST_GROUPS else []
    # What is in fewer reviews has a large weight by its idf, and little to say.
    least = max(LEAST_REVIEWS, facts["corpus"]["rows"] // 500)
    by_group = [_slice(name, groups == name, own, held_out) for name in listed]
    return {
        "version": facts["version"],
        "libraries": dict(facts["libraries"]),
        "seed": facts["seed"],
        "corpus": {name: facts["corpus"][name] for name in ("fingerprint", "rows", "mean_stars", "prior_rows")},
        "embedded": bool(facts["corpus"].get("embedded")),
        "terms": trained.vectorizer.width,
        "method": evaluation["method"],
        "figures": figures,
        "stars": [_star(star, own, held_out) for star in STARS],
        "predicted": [_bin(low, own, held_out) for low in np.arange(1, 5, BIN).tolist()],
        "lengths": [
            _slice(_length_name(at), lengths == at, own, held_out) for at in range(len(LENGTHS)) if at in lengths
        ],
        "groups": {"count": len(names), "slices": sorted(by_group, key=lambda part: -part["mae"])},
        "known": _rounded(np.median(held_out.known)),
        **_strongest(trained, support, least),
        "support": least,
        "certainty": certainty and {name: certainty[name] for name in ("level", "coverage", "median_width")},
    }


def _rounded(value: Any) -> float:
    return round(float(value), 6)


def _whole(stars: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(np.clip(stars, 1, 5)).astype(np.int64)


def _star(star: int, own: Reviews, held_out: HeldOut) -> dict[str, Any]:
    """Return what the model says of the reviews of one number of stars; quantiles are None where there are none."""
    rows = _whole(own.stars) == star
    quantiles = map(_rounded, np.quantile(held_out.model[rows], (0.1, 0.5, 0.9))) if rows.any() else (None,) * 3
    return {
        "stars": star,
        "rows": int(rows.sum()),
        "predicted_rows": int((_whole(held_out.model) == star).sum()),
        **dict(zip(("low", "median", "high"), quantiles, strict=True)),
    }


def _bin(low: float, own: Reviews, held_out: HeldOut) -> dict[str, Any]:
    """Return how many reviews of each number of stars got a score from ``low`` on; 5 itself is in the last bin."""
    high = low + BIN
    rows = (held_out.model >= low) & ((held_out.model < high) | (high >= 5))
    true = _whole(own.stars)
    return {
        "low": low,
        "high": high,
        "rows": [int((rows & (true == star)).sum()) for star in STARS],
        "mean_true": _rounded(own.stars[rows].mean()) if rows.any() else None,
    }


def _length_name(at: int) -> str:
    low = max(LENGTHS[at], 1)
    return f"{low}–{LENGTHS[at + 1] - 1}" if at + 1 < len(LENGTHS) else f"{low}+"


def _slice(name: str, rows: NDArray[np.bool_], own: Reviews, held_out: HeldOut) -> dict[str, Any]:
    """Return the errors on some of the reviews; ``margin`` is half of the 95% interval of ``mae``."""
    error = held_out.model[rows] - own.stars[rows]
    size = np.abs(error)
    count = int(rows.sum())
    return {
        "name": name,
        "rows": count,
        "mae": _rounded(size.mean()),
        "margin": _rounded(1.96 * size.std(ddof=1) / math.sqrt(count)) if count > 1 else None,
        "bias": _rounded(error.mean()),
        "constant_mae": _rounded(np.abs(held_out.constant[rows] - own.stars[rows]).mean()),
    }


def _strongest(trained: Trained, support: Support, least: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return words and phrases of the largest weight for and against, the largest first, from ``least`` reviews on.

    The weight is what the linear base adds for a term before the text's vector is scaled to length one.
    """
    vectorizer = trained.vectorizer
    terms: list[dict[str, Any]] = [
        {
            "term": vectorizer.terms[column],
            "weight": _rounded(trained.coefficients[column] * vectorizer.idf[column]),
            "rows": int(support.rows[column]),
            "mean_stars": _rounded(support.stars[column] / support.rows[column]),
        }
        for column in np.flatnonzero(support.rows >= least).tolist()
    ]
    terms.sort(key=lambda term: (-abs(term["weight"]), term["term"]))
    kinds = {
        "words": [term for term in terms if " " not in term["term"]],
        "phrases": [term for term in terms if " " in term["term"]],
    }
    return {
        kind: {
            "for": [term for term in found if term["weight"] > 0][:MOST_TERMS],
            "against": [term for term in found if term["weight"] < 0][:MOST_TERMS],
        }
        for kind, found in kinds.items()
    }
