"""Reads the prediction log and the feedback log from Redis, in batches."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from tqdm import tqdm

from review_scorer.prediction_log.entries import feedback_stream
from review_training.command import CommandError
from review_training.feedback_loop.feedback_db import FeedbackDatabase, LogEntry

_BATCH = 1_000


class RedisReadError(CommandError):
    """The logs cannot be read; the message gives the reason, and never a password."""


@dataclass(frozen=True, kw_only=True)
class LogLocation:
    """The URL of Redis, and the name of the stream that the service logs predictions to."""

    url: str
    stream: str


def add_log_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``log_location``."""
    parser.add_argument(
        "--redis",
        default=os.environ.get("SCORER_REDIS_URL"),
        metavar="URL",
        help="the Redis of the prediction log, as in the service's SCORER_REDIS_URL (default: that variable)",
    )
    parser.add_argument(
        "--stream",
        default="predictions",
        metavar="NAME",
        help="the service's SCORER_PREDICTION_LOG_STREAM (default: %(default)s)",
    )


def log_location(parser: argparse.ArgumentParser, options: argparse.Namespace) -> LogLocation:
    """Return the location that the options name; exit with a message of ``parser`` if there is none."""
    if not options.redis:
        parser.error("--redis is required, for example redis://localhost:6379/0")
    return LogLocation(url=options.redis, stream=options.stream)


def read_feedback(location: LogLocation) -> FeedbackDatabase:
    """Return all predictions and feedback that the logs hold now.

    Raises ``RedisReadError`` if Redis cannot be reached or has no such stream.
    """
    database = FeedbackDatabase()
    try:
        client = redis.Redis.from_url(
            location.url,
            decode_responses=True,
            socket_timeout=30,
            socket_connect_timeout=5,
            retry=Retry(ExponentialBackoff(), 3),
        )
    except (ValueError, TypeError):
        raise RedisReadError(
            "the URL of Redis is invalid: expected redis://HOST[:PORT][/DATABASE], with USER:PASSWORD@ before HOST if "
            "needed"
        ) from None
    try:
        if not client.exists(location.stream):
            raise RedisReadError(f"Redis has no stream {location.stream!r}; --stream names another")
        for entries in _batches(client, location.stream):
            database.add_predictions(entries)
        for entries in _batches(client, feedback_stream(location.stream)):
            database.add_feedback(entries)
    except redis.RedisError as error:
        raise RedisReadError(f"cannot read from Redis: {type(error).__name__}: {error}") from None
    finally:
        client.close()
    return database


def _batches(client: Any, stream: str) -> Iterator[list[LogEntry]]:
    """Yield the entries of ``stream`` in order, up to the newest one at the time of the call."""
    newest = client.xrevrange(stream, count=1)
    if not newest:
        return
    start, (end, _) = "-", newest[0]
    with tqdm(total=client.xlen(stream), desc=stream, unit="entry", disable=None, leave=False) as progress:
        while found := client.xrange(stream, start, end, count=_BATCH):
            yield [entry for _, entry in found]
            progress.update(len(found))
            start = f"({found[-1][0]}"
