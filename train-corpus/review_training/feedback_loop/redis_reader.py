"""The record and the feedback as Redis holds them, read a slice at a time."""

from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from tqdm import tqdm

from review_scorer.prediction_log.entries import feedback_stream
from review_training.feedback_loop.feedback_db import Entry, FeedbackDatabase

_SLICE = 1_000


class RedisReadError(Exception):
    """The record cannot be read; the message says why, and tells no password."""


def read_history(joined: FeedbackDatabase, url: str, stream: str) -> None:
    """Put all that ``stream`` and its feedback hold now into ``joined``.

    Raises ``RedisReadError`` where there is no Redis, or no such record.
    """
    try:
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=30,
            socket_connect_timeout=5,
            retry=Retry(ExponentialBackoff(), 3),
        )
    except (ValueError, TypeError):
        raise RedisReadError(
            "the URL cannot be read; wanted is redis://HOST[:PORT][/DATABASE], USER:PASSWORD@ before HOST if need be"
        ) from None
    try:
        if not client.exists(stream):
            raise RedisReadError(f"there is no stream {stream!r} there; --stream names another")
        for entries in _slices(client, stream):
            joined.add_predictions(entries)
        for entries in _slices(client, feedback_stream(stream)):
            joined.add_feedback(entries)
    except redis.RedisError as error:
        raise RedisReadError(f"Redis cannot be read: {type(error).__name__}: {error}") from None
    finally:
        client.close()


def _slices(client: Any, stream: str) -> Iterator[list[Entry]]:
    """Yield the entries of ``stream`` in order, those that are there when it is called."""
    newest = client.xrevrange(stream, count=1)
    if not newest:
        return
    start, (end, _) = "-", newest[0]
    with tqdm(total=client.xlen(stream), desc=stream, unit="entry", disable=None, leave=False) as progress:
        while found := client.xrange(stream, start, end, count=_SLICE):
            yield [entry for _, entry in found]
            progress.update(len(found))
            start = f"({found[-1][0]}"
