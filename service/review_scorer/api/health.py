"""Liveness, readiness and version of the service."""

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from review_scorer.api.fixed_json import FixedJSON
from review_scorer.api.schemas import StatusResponse
from review_scorer.errors import RequestError
from review_scorer.scoring.scorer import Scorer
from review_scorer.server.lifecycle import Drain


class Readiness:
    """State of one worker: ready from its first score until the service starts to drain.

    ``probe`` is the review that is scored at startup.
    """

    def __init__(self, scorer: Scorer, probe: str, drain: Drain) -> None:
        self._scorer = scorer
        self._probe = probe
        self._drain = drain
        self._ready = False

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Score the probe; called by Falcon when the worker starts, after the fork."""
        self._scorer.score(self._probe)
        self._ready = True

    def check(self) -> None:
        """Raise ``RequestError`` unless the worker is ready."""
        if not self._ready:
            raise RequestError("not_ready", "the worker is starting; retry in 1 second", headers={"Retry-After": "1"})
        if self._drain.started:
            raise RequestError("draining", "this instance is shutting down; send new requests to another one")


def install(
    app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response], readiness: Readiness, facts: Mapping[str, Any]
) -> None:
    """Add ``/healthz``, ``/readyz`` and ``/version``, which answers ``facts``, to ``app``."""
    app.add_route("/healthz", FixedJSON(StatusResponse("alive")))
    app.add_route("/readyz", FixedJSON(StatusResponse("ready"), readiness.check))
    app.add_route("/version", FixedJSON(facts))
