"""Redis streams. Imported only where a Redis is named: the client takes a tenth of a second and ten megabytes."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from review_scorer.prediction_log.entries import Entry
from review_scorer.prediction_log.recorder import StoreError

# Of a Redis that does not answer, for connecting and for each answer. It is near and answers within milliseconds.
_SECONDS = 1.0
# One writes; the others are for feedback.
_CONNECTIONS = 16


class Streams:
    """Appends to streams of the Redis at ``url``, which keep about the last ``length`` entries each."""

    def __init__(self, url: str, *, length: int) -> None:
        self._length = length
        self._redis = redis.asyncio.Redis.from_url(
            url,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            max_connections=_CONNECTIONS,
            # Who calls knows what is worth another try, and when.
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
        except Exception as error:  # noqa: BLE001 - of a connection that breaks half-way, the client raises others than its own
            raise StoreError(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
