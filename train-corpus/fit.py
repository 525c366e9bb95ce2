"""From tokens and stars to the parts of a scorer. Everything is fitted on what it is given, and on nothing else."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from recipe import Recipe
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold
from threadpoolctl import threadpool_limits

from service.corpus import CorpusError
from service.scoring.booster import Booster
from service.scoring.bundle import Trained
from service.scoring.scorer import Model
from service.scoring.vectors import Rows, Vectorizer, ngrams

Tokens = Sequence[Sequence[str]]
Stars = NDArray[np.float64]


def fit(tokens: Tokens, stars: Stars, groups: Sequence[str], recipe: Recipe, *, seed: int) -> Trained:
    """Return vocabulary, linear base and trees for texts given as ``tokens``, with ``stars`` of shape ``(n,)``.

    ``groups`` keeps what belongs together (one product's reviews) on one side of every split; all empty: no groups.
    """
    vectorizer = fit_vectorizer(tokens, recipe)
    rows = vectorizer.transform(tokens)
    matrix = as_matrix(rows, vectorizer.width)
    coefficients, intercept = _fit_base(matrix, stars, recipe)
    booster = _fit_booster(matrix, stars, _base_out_of_fold(matrix, stars, groups, recipe, seed), recipe, seed)
    return Trained(vectorizer, coefficients, intercept, booster, facts={})


def fit_vectorizer(tokens: Tokens, recipe: Recipe) -> Vectorizer:
    """Return the terms that stand in enough of the texts, in code point order, with their idf.

    Raises ``CorpusError`` when there is none.
    idf is scikit-learn's smoothed one, ``ln((1 + n) / (1 + df)) + 1``.
    """
    frequency: Counter[str] = Counter()
    for text in tokens:
        frequency.update(set(ngrams(text, recipe.longest_ngram)))
    known = [(-count, term) for term, count in frequency.items() if count >= recipe.min_document_frequency]
    kept = sorted(term for _, term in sorted(known)[: recipe.max_terms])
    if not kept:
        raise CorpusError(
            f"no term of the corpus stands in {recipe.min_document_frequency} of its reviews: there are too few of them"
        )
    idf = [math.log((1 + len(tokens)) / (1 + frequency[term])) + 1 for term in kept]
    return Vectorizer(kept, np.array(idf), longest=recipe.longest_ngram)


def as_matrix(rows: Rows, width: int) -> csr_matrix:
    """Return ``rows`` as SciPy's sparse matrix, for the libraries that train."""
    return csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(rows.indptr) - 1, width))


def predict(trained: Trained, tokens: Tokens) -> Stars:
    """Return the stars that the trained parts give to texts, as the served scorer would."""
    booster = Booster(trained.booster, width=trained.vectorizer.width)
    return Model(trained.coefficients, trained.intercept, booster).predict(trained.vectorizer.transform(tokens))


def folds(
    stars: Stars, groups: Sequence[str], count: int, *, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return ``count`` splits into (training, held out) positions, by group where there are groups.

    Raises ``ValueError`` when there are fewer reviews or groups than folds.
    """
    if any(groups):
        splits = GroupKFold(count, shuffle=True, random_state=seed).split(stars, groups=list(groups))
    else:
        splits = KFold(count, shuffle=True, random_state=seed).split(stars)
    return list(splits)


def _fit_base(matrix: csr_matrix, stars: Stars, recipe: Recipe) -> tuple[NDArray[np.float64], float]:
    base = Ridge(alpha=recipe.ridge_alpha, solver="sparse_cg", tol=recipe.ridge_tolerance, max_iter=10_000)
    # One thread: BLAS adds in another order with more, and the bundle would differ from machine to machine.
    with threadpool_limits(1):
        base.fit(matrix, stars)
    return base.coef_, float(base.intercept_)


def _base_out_of_fold(matrix: csr_matrix, stars: Stars, groups: Sequence[str], recipe: Recipe, seed: int) -> Stars:
    """Return what the base says of each review when fitted without it (and without its group)."""
    predicted = np.empty(len(stars))
    for fitted, held_out in folds(stars, groups, recipe.base_folds, seed=seed):
        coefficients, intercept = _fit_base(matrix[fitted], stars[fitted], recipe)
        predicted[held_out] = matrix[held_out] @ coefficients + intercept
    return predicted


def _fit_booster(matrix: csr_matrix, stars: Stars, start: Stars, recipe: Recipe, seed: int) -> str:
    """Return LightGBM's text model of what ``start`` leaves over of ``stars``."""
    parameters: dict[str, Any] = {
        "objective": "regression",
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.learning_rate,
        "feature_fraction": recipe.feature_fraction,
        "bagging_fraction": recipe.bagging_fraction,
        "bagging_freq": recipe.bagging_freq,
        "deterministic": recipe.deterministic,
        "force_col_wise": recipe.force_col_wise,
        "seed": seed,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lightgbm.Dataset(matrix, stars, init_score=start, params=parameters)
    booster = lightgbm.train(parameters, data, num_boost_round=recipe.rounds)
    text: str = booster.model_to_string()
    return text
