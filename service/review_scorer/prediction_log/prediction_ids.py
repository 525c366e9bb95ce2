"""Prediction ids, and the prediction as it is passed to the prediction log."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from uuid_utils import uuid7

HEADER = "X-Prediction-Id"

# The lookahead is for Python, where `$` also matches before a trailing newline.
ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.[0-9]{1,7})?$(?!\n)"
"""Pattern of a prediction id: a UUID of version 7, followed for a text of a list by ``.`` and its index from 0."""


class LoggedPrediction(NamedTuple):
    """A text and its score in stars, 1–5; ``shadow`` is the score by the shadow bundle, None if it was not asked."""

    id: str
    text: str
    score: float
    shadow: float | None = None


PredictionSink = Callable[[Sequence[LoggedPrediction]], None]
"""Receives predictions after they were made. Must return within microseconds and never raise."""


def new_id() -> str:
    """Return a new id for a response: a UUID of version 7 (RFC 9562, section 5.7), which sorts by its millisecond.

    Ids of one process in the same millisecond also sort, and differ in a counter and in their last 32 random bits; all
    others differ in 73 random bits. A forked process draws from a new random state.
    """
    return str(uuid7())


def ids_of_list(list_id: str, count: int) -> list[str]:
    """Return the ids of the ``count`` texts of the list with the id ``list_id``, in order."""
    return [f"{list_id}.{index}" for index in range(count)]


def time_of(prediction_id: str) -> str:
    """Return the creation time of an id, in UTC in ISO 8601, to the millisecond."""
    milliseconds = int(prediction_id[:8] + prediction_id[9:13], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
