"""What the service answers to: scores, and questions about itself."""

import secrets
from collections.abc import Mapping
from typing import Any

import falcon
import falcon.asgi
import msgspec

from service.answers import ScoreDetail
from service.draining import Drain
from service.errors import RequestError
from service.requests import ScoreRequest, check_count, decode, parse_query
from service.scoring.scorer import Detail, Scorer

_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode


class Scores:
    """Stars for one text or many, asked for by ``POST`` with JSON or by ``GET`` with a query."""

    def __init__(self, scorer: Scorer, *, max_texts: int) -> None:
        self._scorer = scorer
        self._max_texts = max_texts

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score": 4.78}``; ``{"texts": ["…", …]}`` → ``{"scores": [4.78, …]}``.

        With ``"detail": true`` the answers are ``{"score", "interval", "known", "id"}`` and ``{"results": […]}``.
        """
        self._answer(decode(await request.stream.read(), _decoder), response)

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``?texts=…`` → ``{"score": …}``; ``?texts=…&texts=…`` → ``{"scores": […]}``; also with ``&detail=true``."""
        self._answer(parse_query(request.scope["query_string"]), response)

    def _answer(self, asked: ScoreRequest, response: falcon.asgi.Response) -> None:
        texts, scorer = asked.texts, self._scorer
        if isinstance(texts, str):
            response.data = _encode(_detail(scorer.detail(texts)) if asked.detail else {"score": scorer.score(texts)})
        else:
            check_count(texts, most=self._max_texts)
            if asked.detail:
                response.data = _encode({"results": [_detail(detail) for detail in scorer.detail_many(texts)]})
            else:
                response.data = _encode({"scores": scorer.score_many(texts)})
        response.content_type = falcon.MEDIA_JSON


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
        if not self._ready:
            reason = "the worker is starting; ask again in a second"
            raise RequestError("not_ready", reason, headers={"Retry-After": "1"})
        if self._drain.started:
            raise RequestError("draining", "this instance is about to stop; send new requests to another one")
        response.data = b'{"status":"ready"}'
        response.content_type = falcon.MEDIA_JSON


class Version:
    """Which code, bundle and libraries answer here."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._body = _encode(facts)

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the facts as JSON."""
        response.data = self._body
        response.content_type = falcon.MEDIA_JSON


def _detail(detail: Detail) -> ScoreDetail:
    return ScoreDetail(detail.score, detail.interval, detail.known, secrets.token_hex(8))
