"""What made a score: how much each word raised or lowered it, and how each sentence scores by itself.

The linear base is taken apart exactly: a term adds its coefficient times its value. The trees are taken apart by
LightGBM's SHAP values, which add up to what the trees say. A term's share is split evenly over the places where it
stands, and there over its tokens. Nothing follows the sum but the clipping to 1–5 stars, so nothing is rescaled.

The trees also see what the linear base says. The SHAP value of that column goes to the terms that moved the base the
same way, in proportion, and at most doubles them; where they moved it too little to answer for it, it is left over.
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

# Marks that open a text belong to its first sentence, closing brackets to the sentence that they close.
_SENTENCE = re.compile(r"[。｡！？!?\n]*[^。｡！？!?\n]+[。｡！？!?\n]*[」』）)】］\]｣”’]*|[。｡！？!?\n]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A word where it stands: ``surface`` is ``text[start:end]``, ``contribution`` what it adds to the score, in stars.

    Offsets count Unicode code points of the text as it was sent.
    """

    start: int
    end: int
    surface: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence where it stands, in code points of the text as it was sent, and the stars, 1–5, of it alone."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, 1–5 stars, and what made it.

    ``base``, ``rest`` and the spans' contributions add up to the score before it is clipped to 1–5. ``base`` is the
    same for every text; ``rest`` is what belongs to no span, such as what it says that a word is absent. Spans and
    sentences ascend and do not overlap; a word that the model does not know is a span that contributes nothing.
    """

    score: float
    base: float
    rest: float
    spans: list[Span]
    sentences: list[Sentence]


def explain(scorer: Scorer, text: str) -> Explanation:
    """Return what made the score that ``scorer`` gives ``text``. Deterministic; raises ``TextError`` as it does."""
    text_rules.check(text, max_chars=scorer.max_chars)
    aligned = align(text)
    tokens = scorer.tokenizer(aligned.text)
    columns, values = scorer.vectorizer.transform_one(tokens)
    shares = _take_apart(scorer.model, columns, values)
    terms = dict(zip(columns.tolist(), shares.terms, strict=True))
    contributions = _share_out(terms, list(scorer.vectorizer.occurrences(tokens)), len(tokens))
    spans = _merge(_locate(tokens, aligned), contributions)
    sentences = list(_sentences(text))
    scores = scorer.score_many([text[start:end] for start, end in sentences])
    return Explanation(
        scorer.model.predict_one(columns, values),
        shares.base,
        shares.rest,
        [Span(start, end, text[start:end], contribution) for start, end, contribution in spans],
        [Sentence(start, end, score) for (start, end), score in zip(sentences, scores, strict=True)],
    )


class _Shares(NamedTuple):
    """A score before clipping in parts, in stars: ``base + rest + sum(terms)``, one of ``terms`` a column."""

    base: float
    rest: float
    terms: list[float]


def _take_apart(model: Model, columns: NDArray[np.int64], values: NDArray[np.float64]) -> _Shares:
    row = Rows(np.array([0, len(columns)], np.int32), columns.astype(np.int32), values)
    says = predict_base(row, model.coefficients, model.intercept)
    *seen, of_base, mean = model.booster.contributions(boosted_rows(row, says, model.booster.width))[0]
    trees = np.array(seen)
    linear = model.coefficients[row.indices] * row.values
    credited = _credit(linear, of_base)
    terms = linear + credited
    present = row.indices < len(trees)
    terms[present] += trees[row.indices[present]]
    absent = trees.sum() - trees[row.indices[present]].sum()
    return _Shares(float(model.intercept + mean), float(absent + of_base - credited.sum()), terms.tolist())


def _credit(linear: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return how much of ``share`` goes to each of the ``linear`` contributions; never more than it is itself."""
    along = np.where(linear * share > 0, linear, 0.0)
    total = abs(along.sum())
    return along * min(abs(share) / total, 1.0) if total else along


def _share_out(terms: dict[int, float], occurrences: Sequence[Occurrence], count: int) -> list[float]:
    """Return what each of ``count`` tokens contributes."""
    places: dict[int, int] = {}
    for column, _, _ in occurrences:
        places[column] = places.get(column, 0) + 1
    contributions = [0.0] * count
    for column, start, end in occurrences:
        share = terms[column] / (places[column] * (end - start))
        for token in range(start, end):
            contributions[token] += share
    return contributions


def _locate(tokens: Sequence[str], aligned: Aligned) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each token in the source; MeCab drops nothing but spaces between them."""
    end = 0
    for token in tokens:
        start = aligned.text.index(token, end)
        end = start + len(token)
        yield aligned.starts[start], aligned.ends[end - 1]


def _merge(places: Iterator[tuple[int, int]], contributions: Sequence[float]) -> list[tuple[int, int, float]]:
    """Return one span for each place; those that share a character of the source (㍿ is two words) become one."""
    spans: list[tuple[int, int, float]] = []
    for (start, end), contribution in zip(places, contributions, strict=True):
        if spans and start < spans[-1][1]:
            first, last, before = spans.pop()
            spans.append((first, max(last, end), before + contribution))
        else:
            spans.append((start, end, contribution))
    return spans


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each sentence, without the white space around it."""
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if sentence:
            start = text.index(sentence, match.start())
            yield start, start + len(sentence)
