"""Ridge regression over blocks of sparse rows: conjugate gradients that see one block at a time.

What is solved is scikit-learn's ``Ridge(solver="sparse_cg")``, and over a single block to the last bit; but it takes
neither the whole matrix nor a copy of it for every choice of rows.
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
    """Rows that may lie in other processes; all that solving asks of them are two products."""

    shape: tuple[int, int]

    def times(self, vector: Vector) -> Vector:
        """Return the product with a vector of a value for each column."""

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with a vector of a value for each row."""


class Blocks:
    """A ``Matrix`` of blocks of rows; ``blocks`` may be such that each is loaded anew whenever it is asked for."""

    def __init__(self, blocks: Iterable[csr_matrix]) -> None:
        self._blocks = blocks
        shapes = [block.shape for block in blocks]
        self._bounds = np.cumsum([0, *(rows for rows, _ in shapes)]).tolist()
        self.shape: tuple[int, int] = self._bounds[-1], shapes[0][1]

    def times(self, vector: Vector) -> Vector:
        """Return the product with a vector of a value for each column."""
        return np.concatenate([block @ vector for block in self._blocks])

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed matrix with a vector of a value for each row."""
        total = np.zeros(self.shape[1])
        for block, start, end in zip(self._blocks, self._bounds[:-1], self._bounds[1:], strict=True):
            total += block.T @ vector[start:end]
        return total


class Problem(NamedTuple):
    """What is to be learnt: ``stars`` of the rows at ``positions``, each counting ``weights``."""

    positions: NDArray[np.int64]
    stars: Vector
    weights: Vector


class Chosen:
    """Some rows of a matrix, each multiplied by the root of its weight."""

    def __init__(self, matrix: Matrix, positions: NDArray[np.int64], roots: Vector) -> None:
        self._matrix, self._positions, self._roots = matrix, positions, roots
        self.shape = len(positions), matrix.shape[1]

    def times(self, vector: Vector) -> Vector:
        """Return the product with a vector of a value for each column."""
        return self._matrix.times(vector)[self._positions] * self._roots

    def transposed_times(self, vector: Vector) -> Vector:
        """Return the product of the transposed rows with a vector of a value for each row."""
        spread = np.zeros(self._matrix.shape[0])
        spread[self._positions] = vector * self._roots
        return self._matrix.transposed_times(spread)


def solve(matrix: Matrix, problem: Problem, *, alpha: float, tolerance: float) -> tuple[Vector, float]:
    """Return coefficients and intercept of the ridge regression with penalty ``alpha``; the intercept bears none.

    ``tolerance`` is the norm of the last residual, relative to the right-hand side's.
    """
    # One thread: BLAS adds in another order with more, and the bundle would differ from machine to machine.
    with threadpool_limits(1):
        return _solve(matrix, problem, alpha, tolerance)


def _solve(matrix: Matrix, problem: Problem, alpha: float, tolerance: float) -> tuple[Vector, float]:
    roots = np.sqrt(problem.weights)
    rows = Chosen(matrix, problem.positions, roots)
    mean = rows.transposed_times(roots) / problem.weights.sum()
    mean_stars = np.average(problem.stars, weights=problem.weights)
    wanted = (problem.stars - mean_stars) * roots

    def times(vector: Vector) -> Vector:
        product: Vector = rows.times(vector) - roots * vector.dot(mean)
        return product

    def transposed_times(vector: Vector) -> Vector:
        product: Vector = rows.transposed_times(vector) - mean * vector.dot(roots)
        return product

    count, width = rows.shape
    if count < width:  # the smaller of the two systems that have the same solution
        system = LinearOperator((count, count), lambda x: times(transposed_times(x)) + alpha * x, dtype=float)
        dual, _ = cg(system, wanted, rtol=tolerance)
        coefficients = transposed_times(dual)
    else:
        system = LinearOperator((width, width), lambda x: transposed_times(times(x)) + alpha * x, dtype=float)
        coefficients, _ = cg(system, transposed_times(wanted), rtol=tolerance, maxiter=10_000)
    return coefficients, float(mean_stars - mean.dot(coefficients))
