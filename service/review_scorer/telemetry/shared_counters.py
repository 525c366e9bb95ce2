"""Counters in memory that all processes of the service share.

Each process adds to a row of its own, so no process waits for another and no update is lost; the sum over the rows is
the total of the service. The row of a dead worker stays, and the worker in its place continues it: totals survive any
end of a process and never decrease. The memory is anonymous and is mapped before the fork, so there is no file to
remove.
"""

import mmap
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Far more rows than there are workers, old and new, at a time. Memory that is never touched costs nothing.
_ROWS, _COLUMNS = 512, 4_096
_MASTER = 0
_HIGHEST_ROW = 0  # column of the master's row: the highest row that was assigned


class SharedCounters:
    """Counters of all processes, 0 at first. ``row`` is the row of this process, to add to."""

    def __init__(self) -> None:
        shared = mmap.mmap(-1, _ROWS * _COLUMNS * 8)
        # A memoryview reads and writes one number much faster than an array does.
        self._memory = memoryview(shared).cast("d")
        self._rows: NDArray[np.float64] = np.frombuffer(shared, np.float64).reshape(_ROWS, _COLUMNS)
        self._columns: dict[str, int] = {}
        self._next = 1
        self.attach(_MASTER)

    def allocate(self, name: str, size: int = 1) -> int:
        """Return the first of ``size`` columns for ``name``; the same columns if it has some.

        The first call for a name must come before the fork. Raises ``ValueError`` if there are too few columns left.
        """
        if name not in self._columns:
            if self._next + size > _COLUMNS:
                raise ValueError(f"no columns left for {name!r}: {size} wanted, {_COLUMNS - self._next} free")
            self._columns[name] = self._next
            self._next += size
        return self._columns[name]

    def add(self, name: str, amount: float = 1) -> None:
        """Add ``amount`` to the counter ``name`` of this process."""
        self.row[self.allocate(name)] += amount

    def attach(self, row: int) -> None:
        """Use the row with the number ``row`` for this process."""
        self.row = self._memory[row * _COLUMNS : (row + 1) * _COLUMNS]

    def free_row(self, used: Iterable[int]) -> int:
        """Return a row number that is not in ``used``, the rows of live workers. Call it in the master only."""
        row = next(row for row in range(1, _ROWS) if row not in set(used))
        self._memory[_HIGHEST_ROW] = max(self._memory[_HIGHEST_ROW], row)
        return row

    def clear(self, row: int, name: str) -> None:
        """Set the counter ``name`` of a dead process to 0."""
        self._rows[row, self.allocate(name)] = 0

    @property
    def rows(self) -> NDArray[np.float64]:
        """The counters of all processes, live and dead, shape ``(processes, columns)``."""
        return self._rows[: int(self._memory[_HIGHEST_ROW]) + 1]

    @property
    def totals(self) -> NDArray[np.float64]:
        """The counters summed over all processes, shape ``(columns,)``."""
        totals: NDArray[np.float64] = self.rows.sum(axis=0)
        return totals


@cache
def shared_counters() -> SharedCounters:
    """Return the counters of the service; the first call must come before the fork."""
    return SharedCounters()
