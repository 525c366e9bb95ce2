"""Redis streams. Import only if a Redis is configured: the client takes 0.1 s and 10 MB."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from review_scorer.prediction_log.entries import Entry
from review_scorer.prediction_log.recorder import StoreError

# Timeout for connecting and for each response. Redis is near and responds within milliseconds.
_TIMEOUT_SECONDS = 1.0
# One connection writes predictions; the others are for feedback.
_CONNECTIONS = 16


class RedisStreams:
    """Appends to streams of the Redis at ``url``; each stream keeps about its last ``length`` entries."""

    def __init__(self, url: str, *, length: int) -> None:
        self._length = length
        self._redis = redis.asyncio.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            max_connections=_CONNECTIONS,
            # The caller decides what to retry, and when.
            retry=Retry(NoBackoff(), 0),
        )

    async def add(self, stream: str, entries: Sequence[Entry]) -> None:
        """Append ``entries`` to ``stream``; raise ``StoreError`` unless all are known to be stored."""
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            fields: dict[Any, Any] = {**entry}
            pipeline.xadd(stream, fields, maxlen=self._length, approximate=True)
        try:
            await pipeline.execute()
        except Exception as error:  # noqa: BLE001 - a broken connection also raises exceptions other than RedisError
            raise StoreError(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
