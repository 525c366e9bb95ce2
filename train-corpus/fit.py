"""From tokens and stars to the parts of a scorer. Everything is fitted on what it is given, and on nothing else."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray
from recipe import Recipe
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold
from threadpoolctl import threadpool_limits

from service.corpus import CorpusError
from service.scoring.booster import Booster
from service.scoring.bundle import Trained
from service.scoring.certainty import Certainty
from service.scoring.scorer import Model, boosted_rows
from service.scoring.vectors import Rows, Vectorizer, ngrams

Tokens = Sequence[Sequence[str]]
Stars = NDArray[np.float64]


class Reviews(NamedTuple):
    """Rated texts: tokens, stars of shape ``(n,)``, and what keeps them together (all empty: nothing does)."""

    tokens: Tokens
    stars: Stars
    groups: Sequence[str]

    def take(self, positions: NDArray[np.int64]) -> "Reviews":
        """Return the reviews at these positions."""
        tokens, groups = [self.tokens[i] for i in positions], [self.groups[i] for i in positions]
        return Reviews(tokens, self.stars[positions], groups)


# Until the intervals are calibrated on held-out reviews, they hold every star.
NO_CERTAINTY = Certainty([3.0], [-4.0], [4.0])

NO_REVIEWS = Reviews([], np.empty(0), [])


def fit(own: Reviews, prior: Reviews, recipe: Recipe, *, seed: int) -> Trained:
    """Return vocabulary, linear base and trees for the reviews ``own``.

    ``prior`` are reviews of another origin that help the vocabulary and the base, with less weight and a mean of their
    own; the trees do not see them. Reviews of one group stay on one side of every split.
    """
    vectorizer, frequency = fit_vectorizer([*own.tokens, *prior.tokens], recipe)
    rows = vectorizer.transform(own.tokens)
    own_matrix, prior_matrix = (
        as_matrix(part, vectorizer.width) for part in (rows, vectorizer.transform(prior.tokens))
    )
    base = _Base(own, own_matrix, prior, prior_matrix, recipe)
    coefficients, intercept = base.fit(np.arange(len(own.stars)))
    width = int(np.searchsorted(-frequency, -recipe.booster_min_document_frequency, side="right")) + 1
    start = base.out_of_fold(seed)
    matrix = as_matrix(boosted_rows(rows, start, width), width)
    booster = _fit_booster(matrix, own.stars, start, recipe, seed)
    return Trained(vectorizer, coefficients, intercept, booster, NO_CERTAINTY, facts={})


def fit_vectorizer(tokens: Tokens, recipe: Recipe) -> tuple[Vectorizer, NDArray[np.int64]]:
    """Return the terms that stand in enough of the texts, the most frequent first; and how many texts each stands in.

    A term's weight is a power of scikit-learn's smoothed idf, ``ln((1 + n) / (1 + df)) + 1``.
    Raises ``CorpusError`` when there is no term.
    """
    counter: Counter[str] = Counter()
    for text in tokens:
        counter.update(set(ngrams(text, recipe.longest_ngram)))
    known = sorted((-count, term) for term, count in counter.items() if count >= recipe.min_document_frequency)
    kept = known[: recipe.max_terms]
    if not kept:
        raise CorpusError(
            f"no term of the corpus stands in {recipe.min_document_frequency} of its reviews: there are too few of them"
        )
    frequency = np.array([-count for count, _ in kept])
    idf = [math.log((1 + len(tokens)) / (1 + count)) + 1 for count in frequency.tolist()]
    weights = np.array([value**recipe.idf_power for value in idf])
    return Vectorizer([term for _, term in kept], weights, longest=recipe.longest_ngram), frequency


def as_matrix(rows: Rows, width: int) -> csr_matrix:
    """Return ``rows`` as SciPy's sparse matrix, for the libraries that train."""
    return csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(rows.indptr) - 1, width))


def predict(trained: Trained, tokens: Tokens) -> Stars:
    """Return the stars that the trained parts give to texts, as the served scorer would."""
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    return model.predict(trained.vectorizer.transform(tokens))


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


class _Base:
    """The linear base over the corpus' own reviews, with the prior ones beside them in every fit."""

    def __init__(
        self, own: Reviews, matrix: csr_matrix, prior: Reviews, prior_matrix: csr_matrix, recipe: Recipe
    ) -> None:
        self._own, self._matrix = own, matrix
        self._prior, self._prior_matrix = prior, prior_matrix
        self._recipe = recipe

    def fit(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
        """Return coefficients and intercept, fitted on the own reviews at ``positions`` and on all prior ones."""
        recipe, prior = self._recipe, len(self._prior.stars)
        matrix, stars, weights = self._matrix[positions], self._own.stars[positions], None
        if prior:
            # One more column, of the origin: large, so that Ridge hardly shrinks its coefficient.
            origin = np.concatenate((np.zeros(len(positions)), np.full(prior, recipe.prior_offset)))
            matrix = hstack((vstack((matrix, self._prior_matrix)), csr_matrix(origin[:, None]))).tocsr()
            stars = np.concatenate((stars, self._prior.stars))
            weights = np.concatenate((np.ones(len(positions)), np.full(prior, recipe.prior_weight)))
        base = Ridge(alpha=recipe.ridge_alpha, solver="sparse_cg", tol=recipe.ridge_tolerance, max_iter=10_000)
        # One thread: BLAS adds in another order with more, and the bundle would differ from machine to machine.
        with threadpool_limits(1):
            base.fit(matrix, stars, sample_weight=weights)
        return base.coef_[: self._matrix.shape[1]].copy(), float(base.intercept_)

    def out_of_fold(self, seed: int) -> Stars:
        """Return what the base says of each own review when fitted without it (and without its group)."""
        predicted = np.empty(len(self._own.stars))
        for fitted, held_out in folds(self._own.stars, self._own.groups, self._recipe.base_folds, seed=seed):
            coefficients, intercept = self.fit(fitted)
            predicted[held_out] = self._matrix[held_out] @ coefficients + intercept
        return predicted


def _fit_booster(matrix: csr_matrix, stars: Stars, start: Stars, recipe: Recipe, seed: int) -> str:
    """Return LightGBM's text model of what ``start`` leaves over of ``stars``."""
    parameters: dict[str, Any] = {
        "objective": "regression",
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.learning_rate,
        "min_data_in_leaf": recipe.min_data_in_leaf,
        "lambda_l2": recipe.lambda_l2,
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
