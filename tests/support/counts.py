"""Counters for tests of code that counts by name."""

from collections import Counter


class Counts(Counter[str]):
    """Counters by name, 0 at first."""

    def add(self, name: str, amount: float) -> None:
        """Add ``amount`` to the counter ``name``."""
        self[name] += int(amount)
