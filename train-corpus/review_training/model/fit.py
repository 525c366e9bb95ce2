"""From shards of tokens to the parts of a scorer. Everything is fitted on the reviews it is given, and on nothing else.

Each step maps over shards and leaves its result in the corpus' store, where the next finds it. A step that was finished
before a kill is not done again.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from review_scorer.scoring.booster import Booster
from review_scorer.scoring.bundle import Trained
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.scorer import HIGHEST, LOWEST, Model, predict_base
from review_scorer.scoring.vectors import Vectorizer
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Corpus, Part, Positions, Stars
from review_training.model.boosting import boost
from review_training.model.recipe import Recipe
from review_training.model.ridge import Blocks, Problem, solve
from review_training.model.vectorize import (
    BaseBlocks,
    BoosterInput,
    as_matrix,
    load_rows,
    load_vectorizer,
    own_rows,
    take,
    vectorise,
)
from review_training.model.vocabulary import count, merge, number_words, ranges, vocabulary
from review_training.shards.map_shards import Mapper, one_by_one
from review_training.shards.store import Store, pack

# Until the intervals are calibrated on held-out reviews, they hold every star.
NO_CERTAINTY = Intervals([3.0], [-4.0], [4.0])


class SolverBackend(Protocol):
    """Where the two steps run that are more than a map over shards."""

    def bases(self, blocks: BaseBlocks, problems: Sequence[Problem], recipe: Recipe) -> list[tuple[Stars, float]]:
        """Return coefficients and intercept of the linear base for each problem."""

    def trees(self, seen: BoosterInput, stars: Stars, parameters: dict[str, Any], rounds: int) -> str:
        """Return LightGBM's text model."""


class LocalBackend:
    """Runs both in this machine's processes, and LightGBM on ``threads`` of this one."""

    def __init__(self, spread: Mapper = one_by_one, *, threads: int = 1) -> None:
        self._spread, self._threads = spread, threads

    def bases(self, blocks: BaseBlocks, problems: Sequence[Problem], recipe: Recipe) -> list[tuple[Stars, float]]:
        """Return coefficients and intercept for each problem, solved side by side."""
        return list(self._spread(partial(_solve, blocks, recipe), list(enumerate(problems)), "base"))

    def trees(self, seen: BoosterInput, stars: Stars, parameters: dict[str, Any], rounds: int) -> str:
        """Return LightGBM's text model."""
        learn = partial(_boost, stars=stars, parameters=parameters, rounds=rounds, threads=self._threads)
        (text,) = self._spread(learn, [seen], "trees")
        return text


def _boost(seen: BoosterInput, **options: Any) -> str:
    return boost(seen.blocks, width=seen.width, start=seen.start, **options)


def _solve(blocks: BaseBlocks, recipe: Recipe, numbered: tuple[int, Problem]) -> tuple[Stars, float]:
    number, problem = numbered
    name = f"{blocks.own[0]}-base-{number}"
    if not blocks.store.has(name):
        alpha, tolerance = recipe.ridge_alpha, recipe.ridge_tolerance
        coefficients, intercept = solve(Blocks(blocks), problem, alpha=alpha, tolerance=tolerance)
        blocks.store.save(name, coefficients=coefficients, intercept=np.array(intercept))
    coefficients, saved = blocks.store.load(name, "coefficients", "intercept")
    return np.array(coefficients), float(saved)


def fit(
    corpus: Corpus,
    recipe: Recipe,
    *,
    seed: int,
    scope: str = "",
    positions: Positions | None = None,
    spread: Mapper = one_by_one,
    machine: SolverBackend | None = None,
) -> Trained:
    """Return vocabulary, linear base and trees for the own reviews at ``positions``, which ascend; None is all.

    The prior's reviews help the vocabulary and the base, with less weight and a mean of their own; the trees do not see
    them. Reviews of one group stay on one side of every split. ``scope`` is a prefix in the store that no other fit
    uses. Raises ``CorpusError`` when there is no term.
    """
    used = np.arange(len(corpus.stars)) if positions is None else positions
    machine = machine or LocalBackend(spread)
    _, frequency = fit_vectorizer(corpus, recipe, scope=scope, positions=used, spread=spread)
    list(spread(partial(_vectorise, corpus.store, scope), [*corpus.own, *corpus.prior], "vectorise"))
    base = fit_base(corpus, recipe, seed, scope, used, machine)
    frequent = int(np.searchsorted(-frequency, -recipe.booster_min_document_frequency, side="right"))
    width = min(frequent, recipe.booster_max_terms) + 1
    _fit_booster(corpus, recipe, seed, scope, used, base.out_of_fold, width, machine)
    return load_trained(corpus.store, scope)


def load_trained(store: Store, scope: str) -> Trained:
    """Return what ``fit`` left under ``scope``."""
    coefficients, intercept, text = (
        *store.load(f"{scope}base", "coefficients", "intercept"),
        *store.load(f"{scope}booster", "text"),
    )
    vectorizer = load_vectorizer(store.root, f"{scope}vocabulary")
    booster = text.tobytes().decode()
    return Trained(vectorizer, np.array(coefficients), float(intercept), booster, NO_CERTAINTY, facts={})


def fit_vectorizer(
    corpus: Corpus,
    recipe: Recipe,
    *,
    scope: str = "",
    positions: Positions | None = None,
    spread: Mapper = one_by_one,
) -> tuple[Vectorizer, NDArray[np.int64]]:
    """Return the terms that stand in enough of the texts, the most frequent first; and how many texts each stands in.

    A term's weight is a power of scikit-learn's smoothed idf, ``ln((1 + n) / (1 + df)) + 1``.
    Raises ``CorpusError`` when there is no term.
    """
    store = corpus.store
    used = np.arange(len(corpus.stars)) if positions is None else positions
    if not store.has(f"{scope}vocabulary"):
        number_words(store, [*corpus.own, *corpus.prior], recipe)
        shards = [(part.shard, part.chosen) for part in corpus.parts(used)] + [(name, None) for name in corpus.prior]
        counted = list(spread(partial(_count, store, scope, recipe), shards, "count"))
        merged = list(spread(partial(_merge, store, counted, recipe), ranges(store, counted), "merge"))
        terms, frequency = vocabulary(store, merged, recipe)
        texts = len(used) + len(corpus.prior_stars)
        idf = [math.log((1 + texts) / (1 + each)) + 1 for each in frequency.tolist()]
        weights = np.array([value**recipe.idf_power for value in idf])
        longest = np.array(recipe.longest_ngram)
        store.save(f"{scope}vocabulary", **pack(terms), weights=weights, frequency=frequency, longest=longest)
        store.remove(*counted)
    (frequency,) = store.load(f"{scope}vocabulary", "frequency")
    return load_vectorizer(store.root, f"{scope}vocabulary"), np.asarray(frequency)


def _count(store: Store, scope: str, recipe: Recipe, shard: tuple[str, NDArray[np.bool_] | None]) -> str:
    return count(store, shard[0], scope, shard[1], recipe.longest_ngram)


def _merge(store: Store, counted: Sequence[str], recipe: Recipe, between: Any) -> tuple[Any, Any]:
    return merge(store, counted, between, recipe)


def _vectorise(store: Store, scope: str, shard: str) -> str:
    return vectorise(store, shard, scope)


class Base(NamedTuple):
    """The linear base, and what it says of each review when it was fitted without it (and without its group)."""

    coefficients: Stars
    intercept: float
    out_of_fold: Stars


def fit_base(corpus: Corpus, recipe: Recipe, seed: int, scope: str, used: Positions, machine: SolverBackend) -> Base:
    """Return the linear base of the own reviews at ``used`` and all of the prior."""
    store = corpus.store
    if not store.has(f"{scope}base"):
        (terms,) = store.load(f"{scope}vocabulary", "ends")
        own, prior = ([f"{scope}{shard}-rows" for shard in shards] for shards in (corpus.own, corpus.prior))
        blocks = BaseBlocks(store, own, prior, len(terms), recipe.prior_offset)
        splits = folds(corpus.stars[used], [corpus.groups[i] for i in used.tolist()], recipe.base_folds, seed=seed)
        wanted = [used, *(used[fitted] for fitted, _ in splits)]
        answers = machine.bases(blocks, [_problem(corpus, each, recipe) for each in wanted], recipe)
        out_of_fold = np.empty(len(used))
        for (_, held_out), (coefficients, intercept) in zip(splits, answers[1:], strict=True):
            out_of_fold[held_out] = _predict_base(corpus, scope, used[held_out], coefficients[: len(terms)]) + intercept
        coefficients, intercept = answers[0]
        store.save(
            f"{scope}base",
            coefficients=coefficients[: len(terms)],
            intercept=np.array(intercept),
            out_of_fold=out_of_fold,
        )
    coefficients, saved, out_of_fold = map(np.array, store.load(f"{scope}base", *Base._fields))
    return Base(coefficients, float(saved), out_of_fold)


def _problem(corpus: Corpus, positions: Positions, recipe: Recipe) -> Problem:
    prior = len(corpus.prior_stars)
    return Problem(
        np.concatenate((positions, np.arange(prior) + len(corpus.stars))),
        np.concatenate((corpus.stars[positions], corpus.prior_stars)),
        np.concatenate((np.ones(len(positions)), np.full(prior, recipe.prior_weight))),
    )


def _predict_base(corpus: Corpus, scope: str, positions: Positions, coefficients: Stars) -> Stars:
    return np.concatenate(
        [as_matrix(rows, len(coefficients)) @ coefficients for rows in own_rows(corpus, scope, positions)]
    )


def folds(stars: Stars, groups: Sequence[str], count: int, *, seed: int) -> list[tuple[Positions, Positions]]:
    """Return ``count`` splits into (training, held out) positions, by group where there are groups.

    Raises ``ValueError`` when there are fewer reviews or groups than folds.
    """
    if any(groups):
        splits = GroupKFold(count, shuffle=True, random_state=seed).split(stars, groups=list(groups))
    else:
        splits = KFold(count, shuffle=True, random_state=seed).split(stars)
    return list(splits)


def _fit_booster(
    corpus: Corpus,
    recipe: Recipe,
    seed: int,
    scope: str,
    used: Positions,
    start: Stars,
    width: int,
    machine: SolverBackend,
) -> None:
    """Let LightGBM learn what ``start`` leaves over of the stars."""
    store = corpus.store
    if not store.has(f"{scope}booster"):
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
            "verbose": -1,
            "num_iterations": recipe.rounds,
        }
        seen = BoosterInput(corpus, scope, used, start, width)
        text = machine.trees(seen, corpus.stars[used], parameters, recipe.rounds)
        store.save(f"{scope}booster", text=np.frombuffer(text.encode(), np.uint8))


class Predicted(NamedTuple):
    """For some reviews the model's stars, the base's, and the share of the words that the vocabulary knows."""

    model: Stars
    linear: Stars
    known: NDArray[np.float64]


def predict(corpus: Corpus, scope: str, positions: Positions, spread: Mapper = one_by_one) -> Predicted:
    """Return what the fit under ``scope`` says of the own reviews at ``positions``, as the served scorer would."""
    parts = [part for part in corpus.parts(positions) if part.chosen.any()]
    answers = spread(partial(_predict_part, corpus.store, scope), parts, "predict")
    return Predicted(*(np.concatenate(column) for column in zip(*answers, strict=True)))


def _predict_part(store: Store, scope: str, part: Part) -> Predicted:
    trained = load_trained(store, scope)
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    rows = take(load_rows(store, f"{scope}{part.shard}-rows"), part.chosen)
    base = predict_base(rows, trained.coefficients, trained.intercept)
    tokens = load_shard(store, part.shard).tokens()
    known = [trained.vectorizer.vocabulary_coverage(tokens[at]) for at in np.flatnonzero(part.chosen).tolist()]
    return Predicted(model.predict(rows), np.clip(base, LOWEST, HIGHEST), np.array(known))


class Support(NamedTuple):
    """For each term, in how many of the reviews that it was fitted on it stands, and the sum of their stars."""

    rows: NDArray[np.int64]
    stars: Stars


def support(corpus: Corpus, scope: str, positions: Positions, spread: Mapper = one_by_one) -> Support:
    """Return on what the terms of the fit under ``scope`` stand, among the own reviews at ``positions``."""
    width = len(corpus.store.load(f"{scope}vocabulary", "ends")[0])
    rows, stars = np.zeros(width, np.int64), np.zeros(width)
    for part in spread(partial(_support_part, corpus.store, scope, width), corpus.parts(positions), "support"):
        rows += part.rows
        stars += part.stars
    return Support(rows, stars)


def _support_part(store: Store, scope: str, width: int, part: Part) -> Support:
    rows = take(load_rows(store, f"{scope}{part.shard}-rows"), part.chosen)
    stars = np.repeat(store.load(part.shard, "stars")[0][part.chosen], np.diff(rows.indptr))
    counts = np.bincount(rows.indices, minlength=width).astype(np.int64)
    sums = np.bincount(rows.indices, stars, minlength=width).astype(np.float64)
    return Support(counts, sums)
