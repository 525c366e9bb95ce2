"""What is told of each score, and the name that it has."""

import time
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from review_scorer.prediction_log.randomness import random_bytes

HEADER = "X-Prediction-Id"

# The last part is for Python, whose `$` also stands before a newline at the end.
ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.[0-9]{1,7})?$(?!\n)"
"""What every id looks like: a UUID of version 7; of a text of a list, with its place from 0 after a full stop."""


class LoggedPrediction(NamedTuple):
    """A text and its stars, 1–5; ``shadow`` are the stars that a second bundle gave it, if it was asked."""

    id: str
    text: str
    score: float
    shadow: float | None = None


def new_id() -> str:
    """Return a name for an answer that nobody can guess; names sort by the millisecond in which they were given.

    It is a UUID of version 7 (RFC 9562, section 5.7) with 74 random bits.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(random_bytes(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def ids_of_list(identity: str, count: int) -> list[str]:
    """Return the names of the texts of a list that is called ``identity``, in order."""
    return [f"{identity}.{place}" for place in range(count)]


def time_of(identity: str) -> str:
    """Return when a name was given, in UTC and as ISO 8601 has it, to the millisecond."""
    milliseconds = int(identity[:8] + identity[9:13], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
