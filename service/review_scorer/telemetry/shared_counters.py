"""Numbers that all processes of the service add to, in memory that they share.

Each process adds to a row of its own, so that none waits for another and nothing is lost between them; the sum over
the rows is what the service did. A worker that dies leaves its row behind, and the one that follows goes on from there:
a count survives whatever ended the process, up to the last request, and never goes back. The memory is made before the
fork and has no name: nothing has to be cleared, and nothing lies on a disk.
"""

import mmap
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Far more than workers, old and new, are ever there at a time. Memory that nobody touches costs nothing.
_ROWS, _COLUMNS = 512, 4_096
_MASTER = 0
_USED = 0  # a column of the master's row: the highest row that was given away


class SharedCounters:
    """Shared numbers, all 0 at first. ``own`` is this process' row, to add to."""

    def __init__(self) -> None:
        shared = mmap.mmap(-1, _ROWS * _COLUMNS * 8)
        self._memory = memoryview(shared).cast("d")  # of which one number is read or written much quicker
        self._rows: NDArray[np.float64] = np.frombuffer(shared, np.float64).reshape(_ROWS, _COLUMNS)
        self._columns: dict[str, int] = {}
        self._next = 1
        self.use(_MASTER)

    def reserve(self, name: str, size: int = 1) -> int:
        """Return the first of ``size`` columns; the same for the same name. The first call must precede the fork."""
        if name not in self._columns:
            if self._next + size > _COLUMNS:
                raise ValueError(f"no room for {size} numbers called {name}; there are {_COLUMNS} a process")
            self._columns[name] = self._next
            self._next += size
        return self._columns[name]

    def add(self, name: str, amount: float = 1) -> None:
        """Add to the number called ``name``."""
        self.own[self.reserve(name)] += amount

    def use(self, row: int) -> None:
        """Make ``row`` the one that this process adds to."""
        self.own = self._memory[row * _COLUMNS : (row + 1) * _COLUMNS]

    def free_row(self, taken: Iterable[int]) -> int:
        """Return a row for a new worker; ``taken`` are those of the living. To be called in the master."""
        row = next(row for row in range(1, _ROWS) if row not in set(taken))
        self._memory[_USED] = max(self._memory[_USED], row)
        return row

    def clear(self, row: int, name: str) -> None:
        """Set a number of another, dead process to 0: what it had in hand is gone."""
        self._rows[row, self.reserve(name)] = 0

    @property
    def rows(self) -> NDArray[np.float64]:
        """All numbers of all processes that there are or were, shape ``(processes, columns)``."""
        return self._rows[: int(self._memory[_USED]) + 1]

    @property
    def sums(self) -> NDArray[np.float64]:
        """All numbers of the service, shape ``(columns,)``."""
        sums: NDArray[np.float64] = self.rows.sum(axis=0)
        return sums


@cache
def shared_counters() -> SharedCounters:
    """Return this process' tallies; the first call must come before the fork."""
    return SharedCounters()
