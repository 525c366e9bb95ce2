"""Ridge regression over blocks of sparse rows, by conjugate gradients that read one block at a time.

It solves what scikit-learn's ``Ridge(solver="sparse_cg")`` solves, equal to the last bit over a single block, but needs
neither the whole matrix in memory nor a copy of it for each selection of rows.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg
from threadpoolctl import threadpool_limits

Vector = NDArray[np.float64]


class Matrix(Protocol):
    """A matrix that may lie in other processes; the solver needs two products of it."""

    shape: tuple[int, int]

    def times(self, vector: Vector) -> Vector:
        """Return the product with ``vector``, which has a value for each column."""

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with ``vector``, which has a value for each row."""


class BlockMatrix:
    """A ``Matrix`` of blocks of rows; ``blocks`` may load each block anew on every iteration."""

    def __init__(self, blocks: Iterable[csr_matrix]) -> None:
        self._blocks = blocks
        shapes = [block.shape for block in blocks]
        self._bounds = np.cumsum([0, *(rows for rows, _ in shapes)]).tolist()
        self.shape: tuple[int, int] = self._bounds[-1], shapes[0][1]

    def times(self, vector: Vector) -> Vector:
        """Return the product with ``vector``, which has a value for each column."""
        return np.concatenate([block @ vector for block in self._blocks])

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with ``vector``, which has a value for each row."""
        total = np.zeros(self.shape[1])
        for block, start, end in zip(self._blocks, self._bounds[:-1], self._bounds[1:], strict=True):
            total += block.T @ vector[start:end]
        return total


class RidgeProblem(NamedTuple):
    """The rows to fit: their positions in the matrix, and the target and weight of each."""

    positions: NDArray[np.int64]
    targets: Vector
    weights: Vector


class _WeightedRows:
    """The rows of a matrix at ``positions``, each multiplied by the root of its weight."""

    def __init__(self, matrix: Matrix, positions: NDArray[np.int64], roots: Vector) -> None:
        self._matrix, self._positions, self._roots = matrix, positions, roots
        self.shape = len(positions), matrix.shape[1]

    def times(self, vector: Vector) -> Vector:
        return self._matrix.times(vector)[self._positions] * self._roots

    def transposed_times(self, vector: Vector) -> Vector:
        scattered = np.zeros(self._matrix.shape[0])
        scattered[self._positions] = vector * self._roots
        return self._matrix.transposed_times(scattered)


def solve(matrix: Matrix, problem: RidgeProblem, *, alpha: float, tolerance: float) -> tuple[Vector, float]:
    """Return coefficients and intercept of the ridge regression with penalty ``alpha``; the intercept is not penalised.

    ``tolerance`` is the norm of the last residual, relative to the right-hand side's.
    """
    # One thread: with more, BLAS adds in another order, and bundles would differ between machines.
    with threadpool_limits(1):
        return _solve(matrix, problem, alpha, tolerance)


def _solve(matrix: Matrix, problem: RidgeProblem, alpha: float, tolerance: float) -> tuple[Vector, float]:
    roots = np.sqrt(problem.weights)
    rows = _WeightedRows(matrix, problem.positions, roots)
    mean = rows.transposed_times(roots) / problem.weights.sum()
    mean_target = np.average(problem.targets, weights=problem.weights)
    centred_targets = (problem.targets - mean_target) * roots

    def times(vector: Vector) -> Vector:
        product: Vector = rows.times(vector) - roots * vector.dot(mean)
        return product

    def transposed_times(vector: Vector) -> Vector:
        product: Vector = rows.transposed_times(vector) - mean * vector.dot(roots)
        return product

    count, width = rows.shape
    if count < width:  # the smaller of the two systems that have the same solution
        system = LinearOperator((count, count), lambda x: times(transposed_times(x)) + alpha * x, dtype=float)
        dual, _ = cg(system, centred_targets, rtol=tolerance)
        coefficients = transposed_times(dual)
    else:
        system = LinearOperator((width, width), lambda x: transposed_times(times(x)) + alpha * x, dtype=float)
        coefficients, _ = cg(system, transposed_times(centred_targets), rtol=tolerance, maxiter=10_000)
    return coefficients, float(mean_target - mean.dot(coefficients))
