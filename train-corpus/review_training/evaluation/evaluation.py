"""The evaluation of a training: how reviews were held out, and the figures of each predictor on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from review_training.evaluation.rating_metrics import Figures, flatten_figures, format_figures

Validation = Literal["folds", "part"]
"""Cross-validation in folds, or one held-out part."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures on ``rows`` held-out reviews, by predictor: ``model``, ``linear``, ``constant``, maybe ``original``.

    With the kind "folds", each review is held out once, by one of ``folds`` fits; with "part", one part is held out
    from one fit. ``group`` is the column whose values stay on one side of every split; it is empty without groups.
    """

    kind: Validation
    folds: int
    group: str
    rows: int
    figures: Mapping[str, Figures]

    def as_dict(self) -> dict[str, object]:
        """Return the entry of the manifest."""
        method = {"kind": self.kind, "folds": self.folds, "group": self.group}
        return {**method, **flatten_figures(self.rows, self.figures)}

    def __str__(self) -> str:
        method = f"{self.folds} folds" if self.kind == "folds" else "one held-out part"
        method += f" by {self.group}" if self.group else ""
        return f"{method}, {self.rows:,} reviews\n{format_figures(self.figures)}"
