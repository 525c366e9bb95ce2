"""The numbers of the model card, as the page carries them in JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from review_training.evaluation.evaluation import Validation
from review_training.evaluation.training_facts import CorpusFacts

STARS = (1, 2, 3, 4, 5)
BIN = 0.5
"""The width of a bin of predictions, in stars."""
MOST_GROUPS = 40
"""The most groups that are listed."""
_LEAST_IN_CLASS = 30
"""The fewest reviews of a class that may be called the worst: a smaller one may be so by chance."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """The way in which reviews were held out, as in ``Evaluation``."""

    kind: Validation
    folds: int
    group: str
    rows: int


@dataclass(frozen=True)
class StarNumbers:
    """Reviews of so many ``stars``, how many were predicted so, and quantiles of their predictions.

    The quantiles are those at 10%, 50% and 90%; they are None if there are no such reviews.
    """

    stars: int
    rows: int
    predicted_rows: int
    low: float | None
    median: float | None
    high: float | None


@dataclass(frozen=True)
class BinNumbers:
    """Predictions from ``low`` to ``high``: their number by true stars, and the mean of the true stars."""

    low: float
    high: float
    rows: Sequence[int]
    mean_true: float | None


@dataclass(frozen=True)
class SliceNumbers:
    """Errors on some reviews, in stars; ``margin`` is half of the 95% interval of ``mae``.

    ``constant_mae`` is the error of predicting the mean.
    """

    name: str
    rows: int
    mae: float
    margin: float | None
    bias: float
    constant_mae: float


@dataclass(frozen=True)
class GroupNumbers:
    """The number of groups, and the errors by group, the largest first; none if there are too many to list."""

    count: int
    slices: Sequence[SliceNumbers]


@dataclass(frozen=True)
class TermNumbers:
    """A term's weight in the linear base, and the fitted reviews that it occurs in."""

    term: str
    weight: float
    rows: int
    mean_stars: float


@dataclass(frozen=True)
class StrongestTerms:
    """The terms of the largest positive and negative weight, the largest first."""

    positive: Sequence[TermNumbers]
    negative: Sequence[TermNumbers]


@dataclass(frozen=True)
class IntervalNumbers:
    """Level, coverage and median width of the prediction intervals, the width in stars."""

    level: float
    coverage: float
    median_width: float


@dataclass(frozen=True, kw_only=True)
class CardNumbers:
    """All numbers of the card. ``support`` is the fewest reviews of a listed term."""

    version: str
    libraries: Mapping[str, str]
    seed: int
    corpus: CorpusFacts
    terms: int
    method: Method
    figures: Mapping[str, Mapping[str, float]]
    stars: Sequence[StarNumbers]
    predicted: Sequence[BinNumbers]
    lengths: Sequence[SliceNumbers]
    groups: GroupNumbers
    vocabulary_coverage: float
    words: StrongestTerms
    phrases: StrongestTerms
    support: int
    intervals: IntervalNumbers

    @property
    def most_common_stars(self) -> StarNumbers:
        """The stars that most of the held-out reviews have."""
        return max(self.stars, key=lambda star: star.rows)

    @property
    def worst_length(self) -> SliceNumbers:
        """The class of lengths with the largest error, of those with enough reviews."""
        lengths = [each for each in self.lengths if each.rows >= _LEAST_IN_CLASS] or self.lengths
        return max(lengths, key=lambda each: each.mae)
