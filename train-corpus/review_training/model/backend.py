"""Solves the linear bases and boosts the trees: the two steps of a fit that are more than a map over shards."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from review_training.corpus.tokenized_corpus import Stars
from review_training.model.boosting import BoosterParameters, boost
from review_training.model.recipe import Recipe
from review_training.model.ridge import BlockMatrix, RidgeProblem, Vector, solve
from review_training.model.vectorize import BaseBlocks, BoosterInput
from review_training.shards.map_shards import Mapper, map_serially


class SolverBackend(Protocol):
    """Runs both steps, on one machine or on a cluster."""

    def solve_bases(
        self, blocks: BaseBlocks, problems: Sequence[RidgeProblem], recipe: Recipe
    ) -> list[tuple[Vector, float]]:
        """Return coefficients and intercept of the linear base for each problem."""

    def boost_trees(self, rows: BoosterInput, stars: Stars, parameters: BoosterParameters, rounds: int) -> str:
        """Return LightGBM's text model."""


class LocalBackend:
    """Solves the bases in parallel with ``map_shards``, and boosts with ``threads`` threads."""

    def __init__(self, map_shards: Mapper = map_serially, *, threads: int = 1) -> None:
        self._map_shards, self._threads = map_shards, threads

    def solve_bases(
        self, blocks: BaseBlocks, problems: Sequence[RidgeProblem], recipe: Recipe
    ) -> list[tuple[Vector, float]]:
        """Return coefficients and intercept for each problem."""
        return list(self._map_shards(partial(_solve, blocks, recipe), list(enumerate(problems)), "base"))

    def boost_trees(self, rows: BoosterInput, stars: Stars, parameters: BoosterParameters, rounds: int) -> str:
        """Return LightGBM's text model."""
        learn = partial(_boost, stars=stars, parameters=parameters, rounds=rounds, threads=self._threads)
        (text,) = self._map_shards(learn, [rows], "trees")
        return text


def _boost(rows: BoosterInput, **options: Any) -> str:
    return boost(rows.blocks, width=rows.width, base=rows.base, **options)


def _solve(blocks: BaseBlocks, recipe: Recipe, numbered: tuple[int, RidgeProblem]) -> tuple[Vector, float]:
    number, problem = numbered
    name = f"{blocks.names[0]}-base-{number}"
    if not blocks.store.has(name):
        alpha, tolerance = recipe.ridge_alpha, recipe.ridge_tolerance
        coefficients, intercept = solve(BlockMatrix(blocks), problem, alpha=alpha, tolerance=tolerance)
        blocks.store.save(name, coefficients=coefficients, intercept=np.array(intercept))
    coefficients, saved = blocks.store.load(name, "coefficients", "intercept")
    return np.array(coefficients), float(saved)
