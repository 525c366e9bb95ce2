"""What the recipe, and what people would build otherwise, say of reviews that they were not fitted on."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from fit import Reviews, Stars, fit, folds, predict
from numpy.typing import NDArray
from original import fit_and_predict as predict_original
from recipe import Recipe
from tqdm import tqdm

from service.cores import available_cores
from service.scoring.bundle import Trained
from service.scoring.scorer import predict_base

FOLDS = 5


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


def fit_and_cross_validate(
    own: Reviews, prior: Reviews, recipe: Recipe, *, seed: int, original: bool
) -> tuple[Trained, HeldOut]:
    """Return what was fitted on everything, and what was said of held-out reviews.

    Vocabulary, idf, base and trees are fitted anew for each fold, on its training part alone. The fits run side by side
    in processes of one thread each: they wait for nothing, where threads of one fit wait for each other at every leaf.
    """
    splits = folds(own.stars, own.groups, FOLDS, seed=seed)
    model, linear, constant, original_stars, known = (np.empty(len(own.stars)) for _ in range(5))
    fold = np.empty(len(own.stars), np.int64)
    tasks = 1 + len(splits) * (2 if original else 1)
    # Spawned, not forked: LightGBM's threads do not survive a fork.
    with ProcessPoolExecutor(
        min(available_cores(), tasks), get_context("spawn"), _share, (own, prior, recipe, seed)
    ) as pool:
        whole = pool.submit(_fit_whole)
        placing: dict[Future[Any], Callable[[Any], None]] = {}
        for number, (fitted, held_out) in enumerate(splits):
            constant[held_out] = own.stars[fitted].mean()
            fold[held_out] = number

            def place(answer: tuple[Stars, Stars, Stars], held_out: NDArray[np.int64] = held_out) -> None:
                model[held_out], linear[held_out], known[held_out] = answer

            def place_original(answer: Stars, held_out: NDArray[np.int64] = held_out) -> None:
                original_stars[held_out] = answer

            if original:  # first: it takes longest
                placing[pool.submit(_original_held_out, fitted, held_out)] = place_original
            placing[pool.submit(_predict_held_out, fitted, held_out)] = place
        fits: list[Future[Any]] = [whole, *placing]
        for done in tqdm(as_completed(fits), total=tasks, desc="fit", unit="fit", disable=None, leave=False):
            if done is not whole:
                placing[done](done.result())
        return whole.result(), HeldOut(model, linear, constant, original_stars if original else None, known, fold)


_shared: tuple[Reviews, Reviews, Recipe, int]


def _share(*everything: Any) -> None:
    """Keep in a new process what all its fits work on, so that it is sent once."""
    global _shared  # noqa: PLW0603
    _shared = everything


def _fit_whole() -> Trained:
    own, prior, recipe, seed = _shared
    return fit(own, prior, recipe, seed=seed)


def _predict_held_out(fitted: NDArray[np.int64], held_out: NDArray[np.int64]) -> tuple[Stars, Stars, Stars]:
    own, prior, recipe, seed = _shared
    trained = fit(own.take(fitted), prior, recipe, seed=seed)
    tokens = own.take(held_out).tokens
    base = predict_base(trained.vectorizer.transform(tokens), trained.coefficients, trained.intercept)
    known = np.array([trained.vectorizer.known_share(text) for text in tokens])
    return predict(trained, tokens), np.clip(base, 1, 5), known


def _original_held_out(fitted: NDArray[np.int64], held_out: NDArray[np.int64]) -> Stars:
    own, _, _, seed = _shared
    return predict_original(own.take(fitted), own.take(held_out).tokens, seed=seed)


def parts(groups: Sequence[str], count: int) -> int:
    """Return how many pieces the reviews can be split into: their groups, or they themselves where there are none."""
    return len(set(groups)) if any(groups) else count
