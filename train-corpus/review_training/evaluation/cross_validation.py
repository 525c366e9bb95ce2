"""What the recipe, and what people would build otherwise, say of reviews that they were not fitted on."""

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
from review_training.corpus.tokenized_corpus import Corpus, Positions, Stars
from review_training.model.fit import Predicted, SolverBackend, fit, folds, predict
from review_training.model.recipe import Recipe
from review_training.model.vocabulary import number_words
from review_training.shards.map_shards import Mapper

FOLDS = 5
MOST_HELD_OUT = 20_000
"""How many reviews at most are held out, and measured, where the bundle is fitted on all others."""
WHOLE = "whole/"
"""Where the fit of the bundle leaves its steps."""


class HeldOut(NamedTuple):
    """For each review the stars given to it by what was fitted without its fold, each of shape ``(n,)``.

    ``fold`` is the number of its fold, ``known`` the share of its tokens that the vocabulary knew; ``original`` is None
    where the original recipe was not asked for.
    """

    model: Stars
    linear: Stars
    constant: Stars
    original: Stars | None
    known: NDArray[np.float64]
    fold: NDArray[np.int64]


class Validated(NamedTuple):
    """What was fitted, on the reviews at ``fitted``, and what was said of the reviews at ``measured``, held out."""

    trained: Trained
    fitted: Positions
    measured: Positions
    held_out: HeldOut


def fit_and_hold_out(corpus: Corpus, recipe: Recipe, *, seed: int, spread: Mapper, machine: SolverBackend) -> Validated:
    """Return what was fitted on all reviews but a part, of at most a fifth or ``MOST_HELD_OUT``, and said of that part.

    It costs one fit where cross-validation costs six; on a large corpus, the bundle does not miss the part.
    """
    count = min(max(FOLDS, -(-len(corpus.stars) // MOST_HELD_OUT)), parts(corpus.groups, len(corpus.stars)))
    fitted, measured = folds(corpus.stars, corpus.groups, count, seed=seed)[0]
    trained = fit(corpus, recipe, seed=seed, scope=WHOLE, positions=fitted, spread=spread, machine=machine)
    said = predict(corpus, WHOLE, measured, spread)
    constant = np.full(len(measured), corpus.stars[fitted].mean())
    # The intervals, too, are measured on reviews that did not calibrate them.
    fold = np.random.default_rng(seed).permutation(len(measured)) % FOLDS
    return Validated(trained, fitted, measured, HeldOut(said.model, said.linear, constant, None, said.known, fold))


def fit_and_cross_validate(corpus: Corpus, recipe: Recipe, *, seed: int, original: bool) -> Validated:
    """Return what was fitted on everything, and what was said of held-out reviews.

    Vocabulary, idf, base and trees are fitted anew for each fold, on its training part alone. The fits run side by side
    in processes of one thread each: they wait for nothing, where threads of one fit wait for each other at every leaf.
    """
    count = len(corpus.stars)
    splits = folds(corpus.stars, corpus.groups, FOLDS, seed=seed)
    model, linear, constant, original_stars, known = (np.empty(count) for _ in range(5))
    fold = np.empty(count, np.int64)
    tasks = 1 + len(splits) * (2 if original else 1)
    number_words(corpus.store, [*corpus.own, *corpus.prior], recipe)
    with ProcessPool(min(available_cores(), tasks), _share, (corpus, recipe, seed)) as pool:
        whole = pool.submit(_fit_whole)
        placing: dict[Future[Any], Callable[[Any], None]] = {}
        for number, (fitted, held_out) in enumerate(splits):
            constant[held_out] = corpus.stars[fitted].mean()
            fold[held_out] = number

            def place(answer: Predicted, held_out: Positions = held_out) -> None:
                model[held_out], linear[held_out], known[held_out] = answer

            def place_original(answer: Stars, held_out: Positions = held_out) -> None:
                original_stars[held_out] = answer

            if original:  # first: it takes longest
                placing[pool.submit(_original_held_out, number, fitted, held_out)] = place_original
            placing[pool.submit(_predict_held_out, number, fitted, held_out)] = place
        fits: list[Future[Any]] = [whole, *placing]
        for done in tqdm(as_completed(fits), total=tasks, desc="fit", unit="fit", disable=None, leave=False):
            if done is not whole:
                placing[done](done.result())
        everything = np.arange(count)
        held = HeldOut(model, linear, constant, original_stars if original else None, known, fold)
        return Validated(whole.result(), everything, everything, held)


_shared: tuple[Corpus, Recipe, int]


def _share(*everything: Any) -> None:
    """Keep in a new process what all its fits work on, so that it is sent once."""
    global _shared  # noqa: PLW0603
    _shared = everything


def _fit_whole() -> Trained:
    corpus, recipe, seed = _shared
    return fit(corpus, recipe, seed=seed, scope=WHOLE)


def _predict_held_out(number: int, fitted: Positions, held_out: Positions) -> Predicted:
    corpus, recipe, seed = _shared
    name, scope = f"held-out-{number}", f"fold-{number}/"
    if not corpus.store.has(name):
        fit(corpus, recipe, seed=seed, scope=scope, positions=fitted)
        corpus.store.save(name, **predict(corpus, scope, held_out)._asdict())
        corpus.store.remove(scope)
    return Predicted(*map(np.array, corpus.store.load(name, *Predicted._fields)))


def _original_held_out(number: int, fitted: Positions, held_out: Positions) -> Stars:
    # Imported here: it brings LightGBM's Python package and all that that brings, to every process.
    from review_training.evaluation.original_recipe import fit_and_predict as predict_original  # noqa: PLC0415

    corpus, _, seed = _shared
    name = f"original-{number}"
    if not corpus.store.has(name):
        tokens = [text for shard in corpus.own for text in load_shard(corpus.store, shard).tokens()]
        own = [tokens[at] for at in fitted.tolist()]
        stars = predict_original(own, corpus.stars[fitted], [tokens[at] for at in held_out.tolist()], seed=seed)
        corpus.store.save(name, stars=stars)
    return np.array(corpus.store.load(name, "stars")[0])


def parts(groups: Sequence[str], count: int) -> int:
    """Return how many pieces the reviews can be split into: their groups, or they themselves where there are none."""
    return len(set(groups)) if any(groups) else count
