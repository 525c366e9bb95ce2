"""Fits the bundle's model, and predicts reviews that the predicting fit has not seen."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from review_scorer.compute.cores import available_cores
from review_scorer.compute.processes import ProcessPool
from review_scorer.scoring.bundle import Trained
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Positions, Stars, TokenizedCorpus
from review_training.evaluation.evaluation import Validation
from review_training.model.backend import SolverBackend
from review_training.model.fit import fit
from review_training.model.folds import split_folds
from review_training.model.predict import Predictions, predict
from review_training.model.recipe import Recipe
from review_training.model.vocabulary import number_words
from review_training.shards.map_shards import Mapper

FOLDS = 5
MOST_HELD_OUT = 20_000
"""The most reviews in a held-out part."""
BUNDLE_SCOPE = "whole/"
"""The scope in the store of the fit that becomes the bundle."""


class HeldOutPredictions(NamedTuple):
    """For each held-out review the stars predicted by fits that have not seen it, each of shape ``(n,)``.

    ``constant`` is the mean of the fitted stars; ``original`` is None unless the recipe of 2018 was asked for.
    ``vocabulary_coverage`` is the share of its tokens that are in the vocabulary, ``fold`` the number of its fold.
    """

    model: Stars
    linear: Stars
    constant: Stars
    original: Stars | None
    vocabulary_coverage: NDArray[np.float64]
    fold: NDArray[np.int64]

    def by_predictor(self) -> dict[str, Stars]:
        """Return the predicted stars by predictor."""
        stars = {"model": self.model, "linear": self.linear, "constant": self.constant}
        return stars if self.original is None else {**stars, "original": self.original}


class ValidatedFit(NamedTuple):
    """The fit on the reviews at ``fitted``, and predictions for the held-out reviews at ``measured``.

    ``folds`` is the number of folds, 1 for one held-out part.
    """

    kind: Validation
    folds: int
    trained: Trained
    fitted: Positions
    measured: Positions
    held_out: HeldOutPredictions


def fit_and_hold_out(
    corpus: TokenizedCorpus, recipe: Recipe, *, seed: int, map_shards: Mapper, backend: SolverBackend
) -> ValidatedFit:
    """Fit on all reviews but one part, of at most a fifth or ``MOST_HELD_OUT``, and predict that part.

    This is one fit, where cross-validation is six; on a large corpus, the bundle is no worse without the part.
    """
    count = min(max(FOLDS, -(-len(corpus.stars) // MOST_HELD_OUT)), corpus.independent_units)
    fitted, measured = split_folds(corpus.stars, corpus.groups, count, seed=seed)[0]
    trained = fit(
        corpus, recipe, seed=seed, scope=BUNDLE_SCOPE, positions=fitted, map_shards=map_shards, backend=backend
    )
    model, linear, coverage = predict(corpus, BUNDLE_SCOPE, measured, map_shards)
    constant = np.full(len(measured), corpus.stars[fitted].mean())
    # The intervals, too, are measured on reviews that did not calibrate them.
    fold = np.random.default_rng(seed).permutation(len(measured)) % FOLDS
    held_out = HeldOutPredictions(model, linear, constant, None, coverage, fold)
    return ValidatedFit("part", 1, trained, fitted, measured, held_out)


def fit_and_cross_validate(
    corpus: TokenizedCorpus, recipe: Recipe, *, seed: int, compare_original: bool
) -> ValidatedFit:
    """Fit on all reviews, and predict each by a fit on the other folds.

    Vocabulary, idf, base and trees are fitted anew for each fold, on its training part alone. The fits run in parallel
    processes of one thread each, where threads of one fit would wait for each other at every leaf.
    """
    count = len(corpus.stars)
    splits = split_folds(corpus.stars, corpus.groups, FOLDS, seed=seed)
    model, linear, constant, original, coverage = (np.empty(count) for _ in range(5))
    fold = np.empty(count, np.int64)
    tasks = 1 + len(splits) * (2 if compare_original else 1)
    number_words(corpus.store, [*corpus.shards, *corpus.seed_corpus_shards], recipe)
    with ProcessPool(min(available_cores(), tasks), _share, (corpus, recipe, seed)) as pool:
        bundle_fit = pool.submit(_fit_bundle)
        store_result: dict[Future[Any], Callable[[Any], None]] = {}
        for number, (fitted, held_out) in enumerate(splits):
            constant[held_out] = corpus.stars[fitted].mean()
            fold[held_out] = number

            def store_predictions(predictions: Predictions, held_out: Positions = held_out) -> None:
                model[held_out], linear[held_out], coverage[held_out] = predictions

            def store_original(stars: Stars, held_out: Positions = held_out) -> None:
                original[held_out] = stars

            if compare_original:  # first, because it takes longest
                store_result[pool.submit(_predict_original, number, fitted, held_out)] = store_original
            store_result[pool.submit(_predict_fold, number, fitted, held_out)] = store_predictions
        fits: list[Future[Any]] = [bundle_fit, *store_result]
        for done in tqdm(as_completed(fits), total=tasks, desc="fit", unit="fit", disable=None, leave=False):
            if done is not bundle_fit:
                store_result[done](done.result())
        positions = np.arange(count)
        predictions = HeldOutPredictions(
            model, linear, constant, original if compare_original else None, coverage, fold
        )
        return ValidatedFit("folds", FOLDS, bundle_fit.result(), positions, positions, predictions)


_shared: tuple[TokenizedCorpus, Recipe, int]


def _share(*shared: Any) -> None:
    """Keep in a new process the arguments that all its fits share, so that they are sent once."""
    global _shared  # noqa: PLW0603
    _shared = shared


def _fit_bundle() -> Trained:
    corpus, recipe, seed = _shared
    return fit(corpus, recipe, seed=seed, scope=BUNDLE_SCOPE)


def _predict_fold(number: int, fitted: Positions, held_out: Positions) -> Predictions:
    corpus, recipe, seed = _shared
    name, scope = f"held-out-{number}", f"fold-{number}/"
    if not corpus.store.has(name):
        fit(corpus, recipe, seed=seed, scope=scope, positions=fitted)
        corpus.store.save(name, **predict(corpus, scope, held_out)._asdict())
        corpus.store.remove(scope)
    return Predictions(*map(np.array, corpus.store.load(name, *Predictions._fields)))


def _predict_original(number: int, fitted: Positions, held_out: Positions) -> Stars:
    # Imported here: LightGBM's Python package is large, and only this comparison needs it.
    from review_training.evaluation.original_recipe import fit_and_predict  # noqa: PLC0415

    corpus, _, seed = _shared
    name = f"original-{number}"
    if not corpus.store.has(name):
        texts = [" ".join(tokens) for shard in corpus.shards for tokens in load_shard(corpus.store, shard).tokens()]
        stars = fit_and_predict(_at(texts, fitted), corpus.stars[fitted], _at(texts, held_out), seed=seed)
        corpus.store.save(name, stars=stars)
    return np.array(corpus.store.load(name, "stars")[0])


def _at(texts: Sequence[str], positions: Positions) -> list[str]:
    return [texts[at] for at in positions.tolist()]
