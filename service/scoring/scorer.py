"""Text to stars: the whole chain behind two methods."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.scoring import text as text_rules
from service.scoring.booster import Booster
from service.scoring.errors import TextError
from service.scoring.tokens import Tokenizer
from service.scoring.vectors import Rows, Vectorizer

LOWEST, HIGHEST = 1.0, 5.0


class Model:
    """From a TF-IDF row to stars: a linear base, and LightGBM's trees boosting what the base leaves over.

    ``coefficients`` is float64, one a column. The sum is clipped to 1–5 stars.
    """

    def __init__(self, coefficients: NDArray[np.float64], intercept: float, booster: Booster) -> None:
        self.coefficients = coefficients
        self.intercept = intercept
        self._booster = booster
        self._coefficients = coefficients.tolist()

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Return the stars of each row, shape ``(n,)``, 1–5."""
        count = len(rows.indptr) - 1
        owner = np.repeat(np.arange(count), np.diff(rows.indptr))
        linear = np.bincount(owner, self.coefficients[rows.indices] * rows.values, minlength=count)
        stars: NDArray[np.float64] = np.clip((linear + self.intercept) + self._booster.predict(rows), LOWEST, HIGHEST)
        return stars

    def predict_one(self, columns: Sequence[int], values: Sequence[float]) -> float:
        """Return the stars of one row, to the last bit what ``predict`` returns for it."""
        weights = self._coefficients
        linear = 0.0
        for column, value in zip(columns, values, strict=True):
            linear += weights[column] * value
        stars = (linear + self.intercept) + self._booster.predict_one(columns, values)
        return min(max(stars, LOWEST), HIGHEST)


class Scorer:
    """Scores Japanese reviews. Deterministic; not for use by two threads at once.

    ``max_chars`` bounds the length of one text, in Unicode code points.
    """

    def __init__(self, tokenizer: Tokenizer, vectorizer: Vectorizer, model: Model, *, max_chars: int = 10_000) -> None:
        self.max_chars = max_chars
        self._tokenizer = tokenizer
        self._vectorizer = vectorizer
        self._model = model

    def score(self, text: str) -> float:
        """Return the stars of ``text``, 1–5. Raises ``TextError`` for a text that cannot be scored."""
        text_rules.check(text, max_chars=self.max_chars)
        tokens = self._tokenizer(text_rules.normalise(text))
        return self._model.predict_one(*self._vectorizer.transform_one(tokens))

    def score_many(self, texts: Sequence[str]) -> list[float]:
        """Return the stars of each text, equal to the last bit to what ``score`` returns for it.

        Raises ``TextError`` with the ``index`` of the first text that cannot be scored, before any is.
        """
        for index, text in enumerate(texts):
            try:
                text_rules.check(text, max_chars=self.max_chars)
            except TextError as error:
                error.index = index
                raise
        tokens = [self._tokenizer(text_rules.normalise(text)) for text in texts]
        stars: list[float] = self._model.predict(self._vectorizer.transform(tokens)).tolist()
        return stars
