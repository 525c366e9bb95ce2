"""Runs the steps of training on a Dask cluster: the same functions over the same shards, and two distributed steps.

The linear base is solved here, over blocks that stay in the workers' memory; the trees are boosted by LightGBM's
distributed learner. Workers need this code, and access to the store. If a worker is lost, its blocks are loaded again
elsewhere; only boosting cannot go on without it, and ends with ``ClusterError``. Finished steps are kept.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import pairwise
from threading import Thread
from time import sleep
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

from review_scorer.compute.dask_client import ClusterError
from review_training.corpus.tokenized_corpus import ShardSelection, Stars
from review_training.model.boosting import BoosterParameters
from review_training.model.recipe import Recipe
from review_training.model.ridge import BlockMatrix, RidgeProblem, Vector, solve
from review_training.model.vectorize import BaseBlocks, BoosterInput, as_matrix, booster_rows
from review_training.shards.map_shards import Item, Mapper, Result, timer
from review_training.shards.store import Store

_RETRIES = 2
_REPLACEMENT_SECONDS = 30
"""The time to wait for the replacement of a lost worker before boosting."""
_POLL_SECONDS = 0.5
_POLLS_AFTER_FAILURE = 6


def dask_mapper(client: Any) -> Mapper:
    """Return a ``Mapper`` over the cluster's workers."""

    def map_shards(function: Callable[[Item], Result], items: Sequence[Item], step: str) -> Iterable[Result]:
        futures = [client.submit(function, item, pure=False, retries=_RETRIES) for item in items]
        return [future.result() for future in tqdm(futures, desc=step, unit="shard", disable=None, leave=False)]

    return map_shards


class DaskBackend:
    """A ``SolverBackend`` of the cluster's workers, which adds to ``seconds`` how long its steps take."""

    def __init__(self, client: Any, seconds: dict[str, float]) -> None:
        self._client, self._seconds = client, seconds
        self._worker_count = len(_workers(client))

    def solve_bases(
        self, blocks: BaseBlocks, problems: Sequence[RidgeProblem], recipe: Recipe
    ) -> list[tuple[Vector, float]]:
        """Return coefficients and intercept for each problem; all are solved in parallel over the same blocks."""
        matrix = RemoteBlocks(self._client, blocks)
        learn = partial(solve, matrix, alpha=recipe.ridge_alpha, tolerance=recipe.ridge_tolerance)
        with timer(self._seconds, "base"), ThreadPoolExecutor(len(problems)) as threads:
            return list(threads.map(learn, problems))

    def boost_trees(self, rows: BoosterInput, stars: Stars, parameters: BoosterParameters, rounds: int) -> str:
        """Return LightGBM's text model, boosted by all workers together."""
        with suppress(TimeoutError):  # a replacement must not join while the trees are boosted
            self._client.wait_for_workers(self._worker_count, timeout=_REPLACEMENT_SECONDS)
        workers = set(_workers(self._client))
        results: list[str | Exception] = []
        # LightGBM waits for a lost worker for hours; this thread watches for one.
        boosting = Thread(target=lambda: results.append(self._boost(rows, stars, parameters, rounds)), daemon=True)
        boosting.start()
        with timer(self._seconds, "trees"):
            while boosting.is_alive() and not workers - set(_workers(self._client)):
                boosting.join(_POLL_SECONDS)
        if results and isinstance(results[0], str):
            return results[0]
        raise self._boosting_error(workers, results)

    def _boosting_error(self, workers: set[str], results: Sequence[str | Exception]) -> ClusterError:
        lost = workers - set(_workers(self._client))
        for _ in range(_POLLS_AFTER_FAILURE):  # LightGBM may notice a loss before the scheduler does
            if not lost:
                sleep(_POLL_SECONDS)
                lost = workers - set(_workers(self._client))
        # A worker in which LightGBM failed keeps its end of the connection, and would learn wrong trees the next time.
        self._client.restart_workers(sorted(workers - lost), raise_for_error=False)
        if lost:
            return ClusterError(f"the worker {min(lost)} was lost while the trees were boosted; run it again")
        return ClusterError(f"the trees could not be boosted: {results[0]}")

    def _boost(self, rows: BoosterInput, stars: Stars, parameters: BoosterParameters, rounds: int) -> str | Exception:
        try:
            return _boost(self._client, rows, stars, parameters, rounds)
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            return error


class RemoteBlocks:
    """A ``Matrix`` whose blocks lie in the workers' memory, a group of neighbours in each worker."""

    def __init__(self, client: Any, blocks: BaseBlocks) -> None:
        self._client = client
        count = len(blocks.names)
        groups = min(max(1, len(_workers(client))), count)
        bounds = np.linspace(0, count, groups + 1).astype(int).tolist()
        self._groups = [
            client.submit(_load, blocks, start, end, pure=False, retries=_RETRIES) for start, end in pairwise(bounds)
        ]
        shapes = client.gather([client.submit(_shape, group) for group in self._groups])
        self.shape = sum(rows for rows, _ in shapes), shapes[0][1]
        self._ends = np.cumsum([rows for rows, _ in shapes])[:-1]

    def times(self, vector: Vector) -> Vector:
        """Return the product with ``vector``, which has a value for each column."""
        return np.concatenate(self._multiply(BlockMatrix.times, [vector] * len(self._groups)))

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with ``vector``, which has a value for each row."""
        products = self._multiply(BlockMatrix.transposed_times, np.split(vector, self._ends))
        total: Vector = np.sum(products, axis=0)
        return total

    def _multiply(self, function: Callable[..., Vector], vectors: Sequence[Vector]) -> list[Vector]:
        futures = [
            self._client.submit(function, group, vector, pure=False, retries=_RETRIES)
            for group, vector in zip(self._groups, vectors, strict=True)
        ]
        products: list[Vector] = self._client.gather(futures)
        return products


def _workers(client: Any) -> dict[str, Any]:
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return workers


def _load(blocks: BaseBlocks, start: int, end: int) -> BlockMatrix:
    return BlockMatrix([blocks.load(number) for number in range(start, end)])


def _shape(blocks: BlockMatrix) -> tuple[int, int]:
    return blocks.shape


def _boost(client: Any, rows: BoosterInput, stars: Stars, parameters: BoosterParameters, rounds: int) -> str:
    # Imported here: it imports pandas.
    import dask.array as da  # noqa: PLC0415
    from lightgbm import DaskLGBMRegressor, register_logger  # noqa: PLC0415

    selections = list(rows.selections())
    counts = tuple(len(base) for _, base in selections)
    empty = csr_matrix((0, rows.width))
    blocks = [
        da.from_delayed(block, shape=(count, rows.width), dtype=float, meta=empty)
        for block, count in zip(_distribute(client, rows, selections), counts, strict=True)
    ]
    logging.getLogger("lightgbm").setLevel(logging.ERROR)  # it logs each step, and a warning that its own code causes
    register_logger(logging.getLogger("lightgbm"))
    options: dict[str, Any] = {name: value for name, value in parameters.items() if name != "num_iterations"}
    model = DaskLGBMRegressor(client=client, n_estimators=rounds, **options)
    model.fit(
        da.concatenate(blocks),
        da.from_array(stars, chunks=(counts,)),
        init_score=da.from_array(rows.base, chunks=(counts,)),
    )
    text: str = model.booster_.model_to_string()
    # The bundle must not depend on the addresses of the workers.
    return re.sub(r"^\[(machines|local_listen_port|num_machines|time_out): .*\]\n", "", text, flags=re.MULTILINE)


def _distribute(client: Any, rows: BoosterInput, selections: Sequence[tuple[ShardSelection, Stars]]) -> list[Any]:
    """Return the matrices of ``selections``, about as many in each worker's memory.

    LightGBM boosts where they lie, and each worker places the bins of its share of the terms by its own rows: a worker
    with few rows, a new one, would find nothing worth splitting on.
    """
    from dask import delayed  # noqa: PLC0415

    workers = sorted(_workers(client))
    placement = [workers[number * len(workers) // len(selections)] for number in range(len(selections))]
    options: dict[str, Any] = {"pure": False, "retries": _RETRIES, "allow_other_workers": True}
    arguments = (_booster_matrix, rows.corpus.store, rows.scope, rows.width)
    return [
        delayed(client.submit(*arguments, *each, workers=worker, **options))
        for each, worker in zip(selections, placement, strict=True)
    ]


def _booster_matrix(store: Store, scope: str, width: int, selection: ShardSelection, base: Stars) -> csr_matrix:
    return as_matrix(booster_rows(store, scope, width, selection, base), width)
