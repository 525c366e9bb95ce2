"""Text to stars: the whole chain behind two methods."""

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from service.scoring import text as text_rules
from service.scoring.booster import Booster
from service.scoring.certainty import Certainty
from service.scoring.errors import TextError
from service.scoring.tokens import Tokenizer
from service.scoring.vectors import Rows, Vectorizer

LOWEST, HIGHEST = 1.0, 5.0


class Model:
    """From a TF-IDF row to stars: a linear base, and LightGBM's trees boosting what the base leaves over.

    ``coefficients`` is float64, one a column. The trees see the first ``booster.width - 1`` columns, which are those of
    the most frequent terms, and in their last column what the base says. The sum is clipped to 1–5 stars.
    """

    def __init__(self, coefficients: NDArray[np.float64], intercept: float, booster: Booster) -> None:
        self.coefficients = coefficients
        self.intercept = intercept
        self._booster = booster

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Return the stars of each row, shape ``(n,)``, 1–5."""
        base = predict_base(rows, self.coefficients, self.intercept)
        stars = np.add(base, self._booster.predict(boosted_rows(rows, base, self._booster.width)))
        clipped: NDArray[np.float64] = np.clip(stars, LOWEST, HIGHEST)
        return clipped

    def predict_one(self, columns: NDArray[np.int64], values: NDArray[np.float64]) -> float:
        """Return the stars of one row, to the last bit what ``predict`` returns for it."""
        # cumsum adds in the order of the columns, as predict_base does.
        linear = float((self.coefficients[columns] * values).cumsum()[-1]) if len(columns) else 0.0
        base = linear + self.intercept
        seen = int(columns.searchsorted(self._booster.width - 1))
        stars = base + self._booster.predict_one(columns[:seen], values[:seen], last=base)
        return min(max(stars, LOWEST), HIGHEST)


def predict_base(rows: Rows, coefficients: NDArray[np.float64], intercept: float) -> NDArray[np.float64]:
    """Return the linear base's stars of each row, shape ``(n,)``, not clipped."""
    count = len(rows.indptr) - 1
    owner = np.repeat(np.arange(count), np.diff(rows.indptr))
    # bincount adds in the order of the columns, as predict_one does: the sums are equal to the last bit.
    linear = np.bincount(owner, coefficients[rows.indices] * rows.values, minlength=count)
    sums: NDArray[np.float64] = np.asarray(linear + intercept, np.float64)
    return sums


def boosted_rows(rows: Rows, base: NDArray[np.float64], width: int) -> Rows:
    """Return the rows that the trees see: the first ``width - 1`` columns of ``rows``, then ``base`` in the last."""
    last = width - 1
    count = len(rows.indptr) - 1
    owner = np.repeat(np.arange(count), np.diff(rows.indptr))
    seen = rows.indices < last
    lengths = np.bincount(owner[seen], minlength=count) + 1
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    ends = indptr[1:] - 1
    terms = np.ones(indptr[-1], bool)
    terms[ends] = False
    indices, values = np.full(indptr[-1], last, np.int32), np.empty(indptr[-1])
    indices[terms], values[terms] = rows.indices[seen], rows.values[seen]
    values[ends] = base
    return Rows(indptr, indices, values)


class Detail(NamedTuple):
    """A score, and how far to trust it.

    ``interval`` are the ends of what holds the true stars of four reviews in five; ``known`` is the share of the text's
    words that the vocabulary knows, 0–1: a score of unknown words says nothing.
    """

    score: float
    interval: tuple[float, float]
    known: float


class Scored(NamedTuple):
    """What was scored in one call: four sequences of one length, ``known`` as in ``Detail``."""

    texts: Sequence[str]
    tokens: Sequence[Sequence[str]]
    scores: Sequence[float]
    known: Sequence[float]


class Scorer:
    """Scores Japanese reviews. Deterministic; not for use by two threads at once.

    ``max_chars`` bounds the length of one text, in Unicode code points.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        vectorizer: Vectorizer,
        model: Model,
        certainty: Certainty,
        *,
        max_chars: int = 10_000,
    ) -> None:
        self.max_chars = max_chars
        self._tokenizer = tokenizer
        self._vectorizer = vectorizer
        self._model = model
        self._certainty = certainty
        self.tell: Callable[[Scored], None] | None = None

    def watched(self, tell: Callable[[Scored], None]) -> Self:
        """Return the same scorer, which tells ``tell`` of everything that it scores."""
        watched = copy.copy(self)
        watched.tell = tell
        return watched

    def score(self, text: str) -> float:
        """Return the stars of ``text``, 1–5. Raises ``TextError`` for a text that cannot be scored."""
        return self._one(text)[0]

    def detail(self, text: str) -> Detail:
        """Return the stars of ``text`` with how sure they are. Raises ``TextError`` as ``score`` does."""
        score, tokens = self._one(text)
        return Detail(score, self._certainty.interval(score), self._vectorizer.known_share(tokens))

    def known_share(self, text: str) -> float:
        """Return the share of the text's words, 0–1, that the vocabulary knows; 0 where there are none."""
        return self._vectorizer.known_share(self._tokenizer(text_rules.normalise(text)))

    def score_many(self, texts: Sequence[str]) -> list[float]:
        """Return the stars of each text, equal to the last bit to what ``score`` returns for it.

        Raises ``TextError`` with the ``index`` of the first text that cannot be scored, before any is.
        """
        return self._many(texts)[0]

    def detail_many(self, texts: Sequence[str]) -> list[Detail]:
        """Return for each text what ``detail`` returns for it; raises as ``score_many`` does."""
        stars, tokens = self._many(texts)
        known = [self._vectorizer.known_share(each) for each in tokens]
        return [
            Detail(score, self._certainty.interval(score), share) for score, share in zip(stars, known, strict=True)
        ]

    def check_all(self, texts: Sequence[str]) -> None:
        """Raise ``TextError`` with the ``index`` of the first text that cannot be scored, if there is one."""
        for index, text in enumerate(texts):
            try:
                text_rules.check(text, max_chars=self.max_chars)
            except TextError as error:
                error.index = index
                raise

    def _one(self, text: str) -> tuple[float, list[str]]:
        text_rules.check(text, max_chars=self.max_chars)
        tokens = self._tokenizer(text_rules.normalise(text))
        score = self._model.predict_one(*self._vectorizer.transform_one(tokens))
        if self.tell:
            self.tell(Scored((text,), (tokens,), (score,), (self._vectorizer.known_share(tokens),)))
        return score, tokens

    def _many(self, texts: Sequence[str]) -> tuple[list[float], list[list[str]]]:
        self.check_all(texts)
        tokens = [self._tokenizer(text_rules.normalise(text)) for text in texts]
        stars: list[float] = self._model.predict(self._vectorizer.transform(tokens)).tolist()
        if self.tell:
            self.tell(Scored(texts, tokens, stars, [self._vectorizer.known_share(each) for each in tokens]))
        return stars, tokens
