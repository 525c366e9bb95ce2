"""The steps of training on a Dask cluster: the same functions over the same shards, and two steps that talk.

The linear base is solved here, over blocks that stay in the workers' memory; the trees are boosted by LightGBM's own
distributed learner. Workers need this code, and reach the store. A worker that is lost is done without, its blocks are
loaded again; only boosting cannot go on without it, and ends in ``ClusterError``: what was finished before is kept.
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
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tqdm import tqdm

from review_scorer.compute.dask_client import ClusterError
from review_training.corpus.tokenized_corpus import Part, Stars
from review_training.model.recipe import Recipe
from review_training.model.ridge import Blocks, Problem, Vector, solve
from review_training.model.vectorize import BaseBlocks, BoosterInput, as_matrix, booster_rows
from review_training.shards.map_shards import Answer, Item, Mapper, took
from review_training.shards.store import Store

_RETRIES = 2
_REPLACED_SECONDS = 30
_LOOK_SECONDS = 0.5
_LOOKS = 6


def over(client: Any) -> Mapper:
    """Return a ``Mapper`` over the cluster's workers."""

    def spread(function: Callable[[Item], Answer], items: Sequence[Item], what: str) -> Iterable[Answer]:
        futures = [client.submit(function, item, pure=False, retries=_RETRIES) for item in items]
        return [future.result() for future in tqdm(futures, desc=what, unit="shard", disable=None, leave=False)]

    return spread


class Cluster:
    """A ``SolverBackend`` of the cluster's workers."""

    def __init__(self, client: Any, seconds: dict[str, float]) -> None:
        self._client, self._seconds = client, seconds
        self._hands = len(self._workers())

    def bases(self, blocks: BaseBlocks, problems: Sequence[Problem], recipe: Recipe) -> list[tuple[Stars, float]]:
        """Return coefficients and intercept for each problem; all are solved at once, over the same blocks."""
        matrix = RemoteBlocks(self._client, blocks)
        learn = partial(solve, matrix, alpha=recipe.ridge_alpha, tolerance=recipe.ridge_tolerance)
        with took(self._seconds, "base"), ThreadPoolExecutor(len(problems)) as threads:
            return list(threads.map(learn, problems))

    def trees(self, seen: BoosterInput, stars: Stars, parameters: dict[str, Any], rounds: int) -> str:
        """Return LightGBM's text model, boosted by all workers together."""
        with suppress(TimeoutError):  # one that was lost is mostly being replaced; it would join in the middle
            self._client.wait_for_workers(self._hands, timeout=_REPLACED_SECONDS)
        workers = set(self._workers())
        answers: list[str | Exception] = []
        # LightGBM waits for a lost worker for hours; here somebody looks.
        learning = Thread(target=lambda: answers.append(self._boosted(seen, stars, parameters, rounds)), daemon=True)
        learning.start()
        with took(self._seconds, "trees"):
            while learning.is_alive() and not workers - set(self._workers()):
                learning.join(_LOOK_SECONDS)
        if answers and isinstance(answers[0], str):
            return answers[0]
        raise self._failed(workers, answers)

    def _failed(self, workers: set[str], answers: Sequence[str | Exception]) -> ClusterError:
        lost = workers - set(self._workers())
        for _ in range(_LOOKS):  # LightGBM may notice before the scheduler does
            if not lost:
                sleep(_LOOK_SECONDS)
                lost = workers - set(self._workers())
        # A worker in which LightGBM failed keeps its half of the connection, and would learn rubbish the next time.
        self._client.restart_workers(sorted(workers - lost), raise_for_error=False)
        if lost:
            return ClusterError(f"the worker {min(lost)} was lost while the trees were boosted; run it again")
        return ClusterError(f"the trees could not be boosted: {answers[0]}")

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def _boosted(self, seen: BoosterInput, stars: Stars, parameters: dict[str, Any], rounds: int) -> str | Exception:
        try:
            return _boost(self._client, seen, stars, parameters, rounds)
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            return error


class RemoteBlocks:
    """A ``Matrix`` whose blocks lie in the workers' memory, neighbours together, a group for each worker."""

    def __init__(self, client: Any, blocks: BaseBlocks) -> None:
        self._client = client
        workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        bounds = np.linspace(0, len(blocks.own), min(workers, len(blocks.own)) + 1).astype(int).tolist()
        self._groups = [
            client.submit(_load, blocks, start, end, pure=False, retries=_RETRIES) for start, end in pairwise(bounds)
        ]
        shapes = client.gather([client.submit(_shape, group) for group in self._groups])
        self.shape = sum(rows for rows, _ in shapes), shapes[0][1]
        self._ends = np.cumsum([rows for rows, _ in shapes])[:-1]

    def times(self, vector: Vector) -> Vector:
        """Return the product with a vector of a value for each column."""
        return np.concatenate(self._each(Blocks.times, [vector] * len(self._groups)))

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with a vector of a value for each row."""
        total: Vector = np.sum(self._each(Blocks.transposed_times, np.split(vector, self._ends)), axis=0)
        return total

    def _each(self, function: Callable[..., Vector], vectors: Sequence[Vector]) -> list[Vector]:
        futures = [
            self._client.submit(function, group, vector, pure=False, retries=_RETRIES)
            for group, vector in zip(self._groups, vectors, strict=True)
        ]
        answers: list[Vector] = self._client.gather(futures)
        return answers


def _load(blocks: BaseBlocks, start: int, end: int) -> Blocks:
    return Blocks([blocks.load(number) for number in range(start, end)])


def _shape(blocks: Blocks) -> tuple[int, int]:
    return blocks.shape


def _boost(client: Any, seen: BoosterInput, stars: Stars, parameters: dict[str, Any], rounds: int) -> str:
    # Imported here: it brings pandas.
    import dask.array as da  # noqa: PLC0415
    from lightgbm import DaskLGBMRegressor, register_logger  # noqa: PLC0415

    parts = list(seen.parts())
    counts = tuple(len(start) for _, start in parts)
    empty = csr_matrix((0, seen.width))
    blocks = [
        da.from_delayed(block, shape=(count, seen.width), dtype=float, meta=empty)
        for block, count in zip(_spread_out(client, seen, parts), counts, strict=True)
    ]
    logging.getLogger("lightgbm").setLevel(logging.ERROR)  # it tells each step, and a warning of its own making
    register_logger(logging.getLogger("lightgbm"))
    options = {name: value for name, value in parameters.items() if name != "num_iterations"}
    model = DaskLGBMRegressor(client=client, n_estimators=rounds, **options)
    model.fit(
        da.concatenate(blocks),
        da.from_array(stars, chunks=(counts,)),
        init_score=da.from_array(seen.start, chunks=(counts,)),
    )
    text: str = model.booster_.model_to_string()
    # Where it was learnt is nobody's business, and no two clusters would write the same.
    return re.sub(r"^\[(machines|local_listen_port|num_machines|time_out): .*\]\n", "", text, flags=re.MULTILINE)


def _spread_out(client: Any, seen: BoosterInput, parts: Sequence[tuple[Part, Stars]]) -> list[Any]:
    """Return the matrices of ``parts``, as many in each worker's memory.

    LightGBM boosts where they lie, and each worker finds the bins of its share of the terms in its own rows: one that
    had few, being new, would find nothing worth splitting on.
    """
    from dask import delayed  # noqa: PLC0415

    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    places = [workers[number * len(workers) // len(parts)] for number in range(len(parts))]
    here: dict[str, Any] = {"pure": False, "retries": _RETRIES, "allow_other_workers": True}
    return [
        delayed(client.submit(_seen_matrix, seen.corpus.store, seen.scope, seen.width, *each, workers=place, **here))
        for each, place in zip(parts, places, strict=True)
    ]


def _seen_matrix(store: Store, scope: str, width: int, part: Part, start: NDArray[np.float64]) -> csr_matrix:
    return as_matrix(booster_rows(store, scope, width, part, start), width)
