"""Scores texts: the complete pipeline from a text to stars."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring import text as text_rules
from review_scorer.scoring.booster import Booster
from review_scorer.scoring.errors import TextError
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.text import ScorableText
from review_scorer.scoring.tokens import Tokenizer
from review_scorer.scoring.vectors import Rows, Vectorizer

LOWEST, HIGHEST = 1.0, 5.0


class Model:
    """Predicts stars from TF-IDF rows: a linear base plus LightGBM trees fitted to its residuals.

    ``coefficients`` is float64, one for each column. The input of the trees is the first ``booster.width - 1`` columns,
    which are the most frequent terms, and the prediction of the base in the last column. The sum is clipped to 1–5.
    """

    def __init__(self, coefficients: NDArray[np.float64], intercept: float, booster: Booster) -> None:
        self.coefficients = coefficients
        self.intercept = intercept
        self.booster = booster

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Return the stars of each row, shape ``(n,)``, 1–5."""
        base = predict_base(rows, self.coefficients, self.intercept)
        stars = np.add(base, self.booster.predict(boosted_rows(rows, base, self.booster.width)))
        clipped: NDArray[np.float64] = np.clip(stars, LOWEST, HIGHEST)
        return clipped

    def predict_one(self, columns: NDArray[np.int64], values: NDArray[np.float64]) -> float:
        """Return the stars of one row, bit-identical to the value that ``predict`` returns for it."""
        # cumsum adds in the order of the columns, as predict_base does.
        linear = float((self.coefficients[columns] * values).cumsum()[-1]) if len(columns) else 0.0
        base = linear + self.intercept
        used = int(columns.searchsorted(self.booster.width - 1))
        stars = base + self.booster.predict_one(columns[:used], values[:used], last=base)
        return min(max(stars, LOWEST), HIGHEST)


def predict_base(rows: Rows, coefficients: NDArray[np.float64], intercept: float) -> NDArray[np.float64]:
    """Return the stars that the linear base predicts for each row, shape ``(n,)``, not clipped."""
    count = len(rows.indptr) - 1
    owner = np.repeat(np.arange(count), np.diff(rows.indptr))
    # bincount adds in the order of the columns, as predict_one does, so the sums are bit-identical.
    linear = np.bincount(owner, coefficients[rows.indices] * rows.values, minlength=count)
    sums: NDArray[np.float64] = np.asarray(linear + intercept, np.float64)
    return sums


def boosted_rows(rows: Rows, base: NDArray[np.float64], width: int) -> Rows:
    """Return the input rows of the trees: the first ``width - 1`` columns of ``rows``, and ``base`` in the last."""
    last = width - 1
    count = len(rows.indptr) - 1
    owner = np.repeat(np.arange(count), np.diff(rows.indptr))
    used = rows.indices < last
    lengths = np.bincount(owner[used], minlength=count) + 1
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    ends = indptr[1:] - 1
    terms = np.ones(indptr[-1], bool)
    terms[ends] = False
    indices, values = np.full(indptr[-1], last, np.int32), np.empty(indptr[-1])
    indices[terms], values[terms] = rows.indices[used], rows.values[used]
    values[ends] = base
    return Rows(indptr, indices, values)


class Prediction(NamedTuple):
    """A score, 1–5 stars, and its reliability.

    ``interval`` contains the true stars of 80% of the reviews with this score. ``vocabulary_coverage`` (0–1) is the
    share of the tokens that are in the vocabulary: the score of a text of unknown words is meaningless. ``tokens`` is
    the number of tokens.
    """

    score: float
    interval: tuple[float, float]
    vocabulary_coverage: float
    tokens: int


class Scorer:
    """Scores Japanese reviews. Deterministic; not thread-safe.

    ``max_chars`` is the maximum length of a text, in Unicode code points.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        vectorizer: Vectorizer,
        model: Model,
        intervals: Intervals,
        *,
        max_chars: int = 10_000,
    ) -> None:
        self.max_chars = max_chars
        self.tokenizer = tokenizer
        self.vectorizer = vectorizer
        self.model = model
        self._intervals = intervals

    def score(self, text: str) -> float:
        """Return the stars of ``text``, 1–5. Raises ``TextError`` for a text that cannot be scored."""
        return self._score(self.check(text))

    def predict(self, text: str) -> Prediction:
        """Return the prediction for ``text``. Raises ``TextError`` for a text that cannot be scored."""
        return self._predict(self.check(text))

    def score_many(self, texts: Sequence[str]) -> list[float]:
        """Return the stars of each text, 1–5, bit-identical to the values that ``score`` returns.

        Raises ``TextError`` with the ``index`` of the first text that cannot be scored, before any text is scored.
        """
        checked = self.check_all(texts)
        if len(checked) == 1:
            return [self._score(checked[0])]  # the batch path pays off from two texts on
        stars: list[float] = self.model.predict(self.vectorizer.transform(map(self._tokens, checked))).tolist()
        return stars

    def predict_many(self, texts: Sequence[str]) -> list[Prediction]:
        """Return the prediction for each text, as ``predict`` does. Raises ``TextError`` as ``score_many`` does."""
        return self.predict_checked(self.check_all(texts))

    def predict_checked(self, texts: Sequence[ScorableText]) -> list[Prediction]:
        """Return the prediction for each text, as ``predict`` does, without checking the texts again."""
        if len(texts) == 1:
            return [self._predict(texts[0])]
        tokens = [self._tokens(text) for text in texts]
        stars = self.model.predict(self.vectorizer.transform(tokens)).tolist()
        return [self._prediction(score, each) for score, each in zip(stars, tokens, strict=True)]

    def interval(self, score: float) -> tuple[float, float]:
        """Return the interval, within 1–5 stars, that contains the true stars of 80% of the reviews with this score."""
        return self._intervals.interval(score)

    def check(self, text: str) -> ScorableText:
        """Return ``text`` if it can be scored; raise ``TextError`` if not."""
        return text_rules.check(text, max_chars=self.max_chars)

    def check_all(self, texts: Sequence[str]) -> Sequence[ScorableText]:
        """Return ``texts``; raise ``TextError`` with the ``index`` of the first text that cannot be scored."""
        for index, text in enumerate(texts):
            try:
                self.check(text)
            except TextError as error:
                error.index = index
                raise
        return cast(Sequence[ScorableText], texts)

    def _score(self, text: ScorableText) -> float:
        return self.model.predict_one(*self.vectorizer.transform_one(self._tokens(text)))

    def _predict(self, text: ScorableText) -> Prediction:
        tokens = self._tokens(text)
        return self._prediction(self.model.predict_one(*self.vectorizer.transform_one(tokens)), tokens)

    def _tokens(self, text: str) -> list[str]:
        return self.tokenizer(text_rules.normalise(text))

    def _prediction(self, score: float, tokens: Sequence[str]) -> Prediction:
        return Prediction(score, self.interval(score), self.vectorizer.vocabulary_coverage(tokens), len(tokens))
