"""What the service says of itself: alive, ready, and which code, bundle and libraries answer."""

from collections.abc import Mapping
from typing import Any

import falcon
import falcon.asgi
import msgspec

from review_scorer.errors import RequestError
from review_scorer.scoring.scorer import Scorer
from review_scorer.server.lifecycle import Drain

_encode = msgspec.json.Encoder().encode


class Health:
    """Whether this process is alive: it answers, so it is."""

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer 200."""
        response.data = b'{"status":"alive"}'
        response.content_type = falcon.MEDIA_JSON


class Readiness:
    """Whether requests should be sent here: from this very worker's first score until the service is told to stop."""

    def __init__(self, scorer: Scorer, probe: str, drain: Drain) -> None:
        self._scorer = scorer
        self._probe = probe
        self._drain = drain
        self._ready = False

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Score the probe; called by Falcon when the worker starts, after the fork."""
        self._scorer.score(self._probe)
        self._ready = True

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer 200 when ready, else 503."""
        self.check()
        response.data = b'{"status":"ready"}'
        response.content_type = falcon.MEDIA_JSON

    def check(self) -> None:
        """Raise a ``RequestError`` unless ready."""
        if not self._ready:
            reason = "the worker is starting; ask again in a second"
            raise RequestError("not_ready", reason, headers={"Retry-After": "1"})
        if self._drain.started:
            raise RequestError("draining", "this instance is about to stop; send new requests to another one")


class Version:
    """Which code, bundle and libraries answer here."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._body = _encode(facts)

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the facts as JSON."""
        response.data = self._body
        response.content_type = falcon.MEDIA_JSON
