"""What the service answers to: scores, and questions about itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import falcon
import falcon.asgi
import msgspec

from service.admission import Admission
from service.answers import DetailsAnswer, ScoreAnswer, ScoreDetail, ScoresAnswer
from service.draining import Drain
from service.errors import RequestError
from service.observing import Watch
from service.predictions import HEADER, Prediction, ids_of_list, new_id
from service.requests import ScoreRequest, check_count, decode, parse_query
from service.scoring.scorer import Detail, Scorer

_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode


class Scores:
    """Stars for one text or many, asked for by ``POST`` with JSON or by ``GET`` with a query.

    Each answer has a name, in its details or the header ``X-Prediction-Id``; of a list, the texts are called by the
    answer's name and their places, ``NAME.0`` and so on. ``keep``, if any, is told of every prediction.
    """

    def __init__(
        self,
        scorer: Scorer,
        admission: Admission,
        watch: Watch,
        *,
        max_texts: int,
        keep: Callable[[Sequence[Prediction]], None] | None = None,
    ) -> None:
        self._scorer = scorer
        self._admission = admission
        self._watch = watch
        self._turns = admission.turns
        self._max_texts = max_texts
        self._keep = keep

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score": 4.78}``; ``{"texts": ["…", …]}`` → ``{"scores": [4.78, …]}``.

        With ``"detail": true`` the answers are ``{"score", "interval", "known", "id"}`` and ``{"results": […]}``.
        """
        body = await request.stream.read()
        await self._answer(decode(body, _decoder), len(body), response)

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``?texts=…`` → ``{"score": …}``; ``?texts=…&texts=…`` → ``{"scores": […]}``; also with ``&detail=true``."""
        query = request.scope["query_string"]
        await self._answer(parse_query(query), len(query), response)

    async def _answer(self, asked: ScoreRequest, size: int, response: falcon.asgi.Response) -> None:
        identity = new_id()
        if isinstance(asked.texts, str):
            self._scorer.check(asked.texts)
            with self._admission.accept(1, size):
                (score,) = await self._score([asked.texts], [identity])
            response.data = _encode(_detail(score, identity) if asked.detail else ScoreAnswer(score.score))
        else:
            check_count(asked.texts, most=self._max_texts)
            self._scorer.check_all(asked.texts)
            with self._admission.accept(len(asked.texts), size):
                ids = ids_of_list(identity, len(asked.texts))
                scores = await self._score(asked.texts, ids)
            if asked.detail:
                response.data = _encode(DetailsAnswer([_detail(*each) for each in zip(scores, ids, strict=True)]))
            else:
                response.data = _encode(ScoresAnswer([each.score for each in scores]))
        response.content_type = falcon.MEDIA_JSON
        response.set_header(HEADER, identity)

    async def _score(self, texts: Sequence[str], ids: Sequence[str]) -> list[Detail]:
        """Return the scores of ``texts``, with the details that are counted even if nobody asked for them."""
        details = await self._turns.take(self._scorer.detail_many, texts)
        self._watch.note(texts, details)
        if self._keep:
            scores = [each.score for each in details]
            self._keep([Prediction(*each) for each in zip(ids, texts, scores, strict=True)])
        return details


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


def _detail(detail: Detail, identity: str) -> ScoreDetail:
    return ScoreDetail(detail.score, detail.interval, detail.known, identity)
