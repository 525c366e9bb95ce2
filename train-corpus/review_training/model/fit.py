"""Fits the parts of a scorer on shards of tokens, using only the reviews that it is given.

Each step maps over shards and writes its result to the corpus' store, where the next step reads it. Steps that finished
before training was killed are not repeated.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from review_scorer.scoring.bundle import Trained
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.vectors import Vectorizer
from review_training.corpus.tokenized_corpus import Mask, Positions, Stars, TokenizedCorpus
from review_training.model.backend import LocalBackend, SolverBackend
from review_training.model.boosting import BoosterParameters
from review_training.model.folds import split_folds
from review_training.model.recipe import Recipe
from review_training.model.ridge import RidgeProblem, Vector
from review_training.model.vectorize import (
    BaseBlocks,
    BoosterInput,
    as_matrix,
    iterate_rows,
    load_vectorizer,
    rows_name,
    vectorise_shard,
)
from review_training.model.vocabulary import (
    Frequencies,
    KeyRange,
    NgramKeys,
    count_ngrams,
    merge_counts,
    number_words,
    select_terms,
    split_key_range,
)
from review_training.shards.map_shards import Mapper, map_serially
from review_training.shards.store import Store, pack

# Until the intervals are calibrated on held-out reviews, they contain every number of stars.
UNCALIBRATED = Intervals([3.0], [-4.0], [4.0])


def fit(
    corpus: TokenizedCorpus,
    recipe: Recipe,
    *,
    seed: int,
    scope: str = "",
    positions: Positions | None = None,
    map_shards: Mapper = map_serially,
    backend: SolverBackend | None = None,
) -> Trained:
    """Return vocabulary, linear base and trees for the corpus' reviews at ``positions``, which ascend; None means all.

    The seed corpus helps the vocabulary and the base, with less weight and an intercept of its own; the trees do not
    see it. Reviews of one group stay on one side of every split. ``scope`` is a prefix of names in the store that no
    other fit uses. Raises ``CorpusError`` when there is no term.
    """
    used = np.arange(len(corpus.stars)) if positions is None else positions
    backend = backend or LocalBackend(map_shards)
    _, frequencies = fit_vectorizer(corpus, recipe, scope=scope, positions=used, map_shards=map_shards)
    shards = [*corpus.shards, *corpus.seed_corpus_shards]
    list(map_shards(partial(_vectorise, corpus.store, scope), shards, "vectorise"))
    base = fit_base(corpus, recipe, seed=seed, scope=scope, used=used, backend=backend)
    frequent = int(np.searchsorted(-frequencies, -recipe.booster_min_document_frequency, side="right"))
    rows = BoosterInput(corpus, scope, used, base.out_of_fold, min(frequent, recipe.booster_max_terms) + 1)
    _fit_booster(rows, recipe, seed=seed, backend=backend)
    return load_trained(corpus.store, scope)


def load_trained(store: Store, scope: str) -> Trained:
    """Return the result of ``fit`` under ``scope``."""
    coefficients, intercept = store.load(f"{scope}base", "coefficients", "intercept")
    (text,) = store.load(f"{scope}booster", "text")
    vectorizer = load_vectorizer(store.root, f"{scope}vocabulary")
    booster = text.tobytes().decode()
    return Trained(vectorizer, np.array(coefficients), float(intercept), booster, UNCALIBRATED, facts={})


def fit_vectorizer(
    corpus: TokenizedCorpus,
    recipe: Recipe,
    *,
    scope: str = "",
    positions: Positions | None = None,
    map_shards: Mapper = map_serially,
) -> tuple[Vectorizer, Frequencies]:
    """Return the vectoriser, its most frequent terms first, and the document frequency of each term.

    A term's weight is a power of scikit-learn's smoothed idf, ``ln((1 + n) / (1 + df)) + 1``.
    Raises ``CorpusError`` when there is no term.
    """
    store = corpus.store
    used = np.arange(len(corpus.stars)) if positions is None else positions
    if not store.has(f"{scope}vocabulary"):
        number_words(store, [*corpus.shards, *corpus.seed_corpus_shards], recipe)
        shards = [*corpus.select(used), *((name, None) for name in corpus.seed_corpus_shards)]
        counted = list(map_shards(partial(_count, store, scope, recipe), shards, "count"))
        ranges = split_key_range(store, counted)
        merged = list(map_shards(partial(_merge, store, counted, recipe), ranges, "merge"))
        terms, frequencies = select_terms(store, merged, recipe)
        texts = len(used) + len(corpus.seed_corpus_stars)
        idf = [math.log((1 + texts) / (1 + each)) + 1 for each in frequencies.tolist()]
        weights = np.array([value**recipe.idf_power for value in idf])
        longest = np.array(recipe.longest_ngram)
        store.save(f"{scope}vocabulary", **pack(terms), weights=weights, frequencies=frequencies, longest=longest)
        store.remove(*counted)
    (frequencies,) = store.load(f"{scope}vocabulary", "frequencies")
    return load_vectorizer(store.root, f"{scope}vocabulary"), np.asarray(frequencies)


def _count(store: Store, scope: str, recipe: Recipe, shard: tuple[str, Mask | None]) -> str:
    name, mask = shard
    return count_ngrams(store, name, scope, mask, recipe.longest_ngram)


def _merge(store: Store, counted: Sequence[str], recipe: Recipe, key_range: KeyRange) -> tuple[NgramKeys, Frequencies]:
    return merge_counts(store, counted, key_range, recipe)


def _vectorise(store: Store, scope: str, shard: str) -> str:
    return vectorise_shard(store, shard, scope)


class Base(NamedTuple):
    """The linear base, and its out-of-fold prediction for each review (fitted without the review and its group)."""

    coefficients: Vector
    intercept: float
    out_of_fold: Stars


def fit_base(
    corpus: TokenizedCorpus, recipe: Recipe, *, seed: int, scope: str, used: Positions, backend: SolverBackend
) -> Base:
    """Return the linear base of the corpus' reviews at ``used`` and of the whole seed corpus."""
    store = corpus.store
    if not store.has(f"{scope}base"):
        width = _width(store, scope)
        names, seed_corpus_names = (
            [rows_name(scope, shard) for shard in shards] for shards in (corpus.shards, corpus.seed_corpus_shards)
        )
        blocks = BaseBlocks(store, names, seed_corpus_names, width, recipe.seed_corpus_offset)
        groups = [corpus.groups[at] for at in used.tolist()]
        splits = split_folds(corpus.stars[used], groups, recipe.base_folds, seed=seed)
        fitted_on = [used, *(used[fitted] for fitted, _ in splits)]
        solutions = backend.solve_bases(blocks, [_problem(corpus, each, recipe) for each in fitted_on], recipe)
        out_of_fold = np.empty(len(used))
        for (_, held_out), (coefficients, intercept) in zip(splits, solutions[1:], strict=True):
            out_of_fold[held_out] = _predict_base(corpus, scope, used[held_out], coefficients[:width]) + intercept
        coefficients, intercept = solutions[0]
        store.save(
            f"{scope}base",
            coefficients=coefficients[:width],
            intercept=np.array(intercept),
            out_of_fold=out_of_fold,
        )
    coefficients, saved, out_of_fold = map(np.array, store.load(f"{scope}base", *Base._fields))
    return Base(coefficients, float(saved), out_of_fold)


def _width(store: Store, scope: str) -> int:
    return len(store.load(f"{scope}vocabulary", "ends")[0])


def _problem(corpus: TokenizedCorpus, positions: Positions, recipe: Recipe) -> RidgeProblem:
    seed_corpus = len(corpus.seed_corpus_stars)
    return RidgeProblem(
        np.concatenate((positions, np.arange(seed_corpus) + len(corpus.stars))),
        np.concatenate((corpus.stars[positions], corpus.seed_corpus_stars)),
        np.concatenate((np.ones(len(positions)), np.full(seed_corpus, recipe.seed_corpus_weight))),
    )


def _predict_base(corpus: TokenizedCorpus, scope: str, positions: Positions, coefficients: Vector) -> Stars:
    return np.concatenate(
        [as_matrix(rows, len(coefficients)) @ coefficients for rows in iterate_rows(corpus, scope, positions)]
    )


def _fit_booster(rows: BoosterInput, recipe: Recipe, *, seed: int, backend: SolverBackend) -> None:
    """Boost the trees on what the base leaves over of the stars."""
    store, name = rows.corpus.store, f"{rows.scope}booster"
    if not store.has(name):
        parameters: BoosterParameters = {
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
            "verbose": -1,
            "num_iterations": recipe.rounds,
        }
        text = backend.boost_trees(rows, rows.corpus.stars[rows.positions], parameters, recipe.rounds)
        store.save(name, text=np.frombuffer(text.encode(), np.uint8))
