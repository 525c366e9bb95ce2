"""Explains a score: the contribution of each word, and the score of each sentence alone.

The linear base decomposes exactly: a term contributes its coefficient times its value. The trees are decomposed by
LightGBM's SHAP values, which add up to the prediction of the trees. The contribution of a term is divided evenly among
its occurrences, and there among their tokens. Only the clipping to 1–5 stars follows the sum, so nothing is rescaled.

The prediction of the linear base is also an input column of the trees. The SHAP value of that column is assigned in
proportion to the terms that moved the base in the same direction, and at most doubles their contribution. The remainder
belongs to no term.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring import text as text_rules
from review_scorer.scoring.alignment import Aligned, align
from review_scorer.scoring.scorer import Model, Scorer, boosted_rows, predict_base
from review_scorer.scoring.vectors import Occurrence, Rows

# Leading marks belong to the first sentence, closing brackets to the sentence that they close.
_SENTENCE = re.compile(r"[。｡！？!?\n]*[^。｡！？!?\n]+[。｡！？!?\n]*[」』）)】］\]｣”’]*|[。｡！？!?\n]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A word of the text: ``surface`` is ``text[start:end]``, ``contribution`` its effect on the score in stars.

    Offsets are in Unicode code points of the text before normalisation.
    """

    start: int
    end: int
    surface: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence ``text[start:end]``, in code points of the text before normalisation, and its own score, 1–5 stars."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, 1–5 stars, and its decomposition.

    ``base``, ``rest`` and the contributions of the spans add up to the score before it is clipped to 1–5. ``base`` is
    the same for every text. ``rest`` belongs to no span, such as the effect of absent words. Spans and sentences ascend
    and do not overlap. A word that the model does not know is a span with the contribution 0.
    """

    score: float
    base: float
    rest: float
    spans: list[Span]
    sentences: list[Sentence]


def explain(scorer: Scorer, text: str) -> Explanation:
    """Return the explanation of the score that ``scorer`` gives ``text``. Deterministic.

    Raises ``TextError`` if ``text`` cannot be scored.
    """
    text_rules.check(text, max_chars=scorer.max_chars)
    aligned = align(text)
    tokens = scorer.tokenizer(aligned.text)
    columns, values = scorer.vectorizer.transform_one(tokens)
    parts = _decompose(scorer.model, columns, values)
    terms = dict(zip(columns.tolist(), parts.terms, strict=True))
    contributions = _distribute(terms, list(scorer.vectorizer.occurrences(tokens)), len(tokens))
    spans = _merge(_locate(tokens, aligned), contributions)
    sentences = list(_sentences(text))
    scores = scorer.score_many([text[start:end] for start, end in sentences])
    return Explanation(
        scorer.model.predict_one(columns, values),
        parts.base,
        parts.rest,
        [Span(start, end, text[start:end], contribution) for start, end, contribution in spans],
        [Sentence(start, end, score) for (start, end), score in zip(sentences, scores, strict=True)],
    )


class _Parts(NamedTuple):
    """A score before clipping, in stars: the sum of ``base``, ``rest`` and ``terms``, which has one value a column."""

    base: float
    rest: float
    terms: list[float]


def _decompose(model: Model, columns: NDArray[np.int64], values: NDArray[np.float64]) -> _Parts:
    row = Rows(np.array([0, len(columns)], np.int32), columns.astype(np.int32), values)
    base = predict_base(row, model.coefficients, model.intercept)
    *by_column, of_base, mean = model.booster.contributions(boosted_rows(row, base, model.booster.width))[0]
    trees = np.array(by_column)
    linear = model.coefficients[row.indices] * row.values
    assigned = _assign(linear, of_base)
    terms = linear + assigned
    present = row.indices < len(trees)
    terms[present] += trees[row.indices[present]]
    absent = trees.sum() - trees[row.indices[present]].sum()
    return _Parts(float(model.intercept + mean), float(absent + of_base - assigned.sum()), terms.tolist())


def _assign(linear: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Return the part of ``value`` for each ``linear`` contribution of the same sign, at most that contribution."""
    same_sign = np.where(linear * value > 0, linear, 0.0)
    total = abs(same_sign.sum())
    return same_sign * min(abs(value) / total, 1.0) if total else same_sign


def _distribute(terms: dict[int, float], occurrences: Sequence[Occurrence], count: int) -> list[float]:
    """Return the contribution of each of ``count`` tokens."""
    counts: dict[int, int] = {}
    for column, _, _ in occurrences:
        counts[column] = counts.get(column, 0) + 1
    contributions = [0.0] * count
    for column, start, end in occurrences:
        share = terms[column] / (counts[column] * (end - start))
        for token in range(start, end):
            contributions[token] += share
    return contributions


def _locate(tokens: Sequence[str], aligned: Aligned) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each token in the source; MeCab drops only the spaces between tokens."""
    end = 0
    for token in tokens:
        start = aligned.text.index(token, end)
        end = start + len(token)
        yield aligned.starts[start], aligned.ends[end - 1]


def _merge(offsets: Iterator[tuple[int, int]], contributions: Sequence[float]) -> list[tuple[int, int, float]]:
    """Return the spans, joined where tokens share a character of the source (㍿ is two words)."""
    spans: list[tuple[int, int, float]] = []
    for (start, end), contribution in zip(offsets, contributions, strict=True):
        if spans and start < spans[-1][1]:
            first, last, before = spans.pop()
            spans.append((first, max(last, end), before + contribution))
        else:
            spans.append((start, end, contribution))
    return spans


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each sentence, without surrounding white space."""
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if sentence:
            start = text.index(sentence, match.start())
            yield start, start + len(sentence)
