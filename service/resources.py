"""What the service answers to: scores, and questions about itself."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import falcon
import falcon.asgi
import msgspec

from service.admission import Admission
from service.draining import Drain
from service.errors import RequestError
from service.scoring.scorer import Detail, Scorer


class ScoreRequest(msgspec.Struct):
    """What is asked for: the stars of one text, or of a list of them, alone or with details."""

    texts: str | list[str]
    detail: bool = False


class ScoreDetail(msgspec.Struct):
    """A score with its 80% interval, the share of the text's words that the model knows, and a name of its own."""

    score: float
    interval: tuple[float, float]
    known: float
    id: str


_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode


class Scores:
    """Stars for one text or many, asked for by ``POST`` with JSON or by ``GET`` with a query."""

    def __init__(self, scorer: Scorer, admission: Admission, *, max_texts: int) -> None:
        self._scorer = scorer
        self._admission = admission
        self._max_texts = max_texts

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score": 4.78}``; ``{"texts": ["…", …]}`` → ``{"scores": [4.78, …]}``.

        With ``"detail": true`` the answers are ``{"score", "interval", "known", "id"}`` and ``{"results": […]}``.
        """
        body = await request.stream.read()
        await self._answer(_decode(body), len(body), response)

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``?texts=…`` → ``{"score": …}``; ``?texts=…&texts=…`` → ``{"scores": […]}``; also with ``&detail=true``."""
        query = request.scope["query_string"]
        await self._answer(_query(query), len(query), response)

    async def _answer(self, asked: ScoreRequest, size: int, response: falcon.asgi.Response) -> None:
        if isinstance(asked.texts, str):
            with self._admission.accept(1, size):
                response.data = await self._one(asked.texts, detail=asked.detail)
        else:
            self._check(asked.texts)
            with self._admission.accept(len(asked.texts), size):
                response.data = await self._many(asked.texts, detail=asked.detail)
        response.content_type = falcon.MEDIA_JSON

    async def _one(self, text: str, *, detail: bool) -> bytes:
        scorer, turns = self._scorer, self._admission.turns
        if detail:
            return _encode(_detail(await turns.take(lambda: scorer.detail(text))))
        return _encode({"score": await turns.take(lambda: scorer.score(text))})

    async def _many(self, texts: list[str], *, detail: bool) -> bytes:
        scorer, turns = self._scorer, self._admission.turns
        if detail:
            return _encode({"results": list(map(_detail, await turns.take_slices(scorer.detail_many, texts)))})
        return _encode({"scores": await turns.take_slices(scorer.score_many, texts)})

    def _check(self, texts: list[str]) -> None:
        if not texts:
            raise RequestError("texts_empty", "the list is empty; send at least one text", field="texts")
        if len(texts) > self._max_texts:
            reason = f"the list has {len(texts):,} texts; at most {self._max_texts:,} are scored at a time"
            raise RequestError("texts_too_many", reason, field="texts")
        self._scorer.check_all(texts)


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


def _decode(body: bytes) -> ScoreRequest:
    """Return what a JSON body asks for, or raise a ``RequestError`` that says what is wrong with it."""
    try:
        # msgspec does not look into the members that it skips.
        body.decode()
        return _decoder.decode(body)
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"the body is not UTF-8 at byte {error.start}: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error)) from None
    except msgspec.DecodeError as error:
        raise _surrogate(body) or RequestError("json_invalid", f"the body is not JSON: {error}") from None


def _wrong_shape(message: str) -> RequestError:
    if "missing required field" in message:
        return RequestError("texts_missing", 'the body has no "texts"; send {"texts": "…"}', field="texts")
    _, _, path = message.rstrip("`").partition("`$.")
    if not path:
        return RequestError("texts_missing", 'the body is not a JSON object; send {"texts": "…"}')
    if path == "detail":
        return RequestError("detail_type", "true or false is wanted", field=path)
    reason = f"a text or a list of texts is wanted: {message.partition(' - at')[0]}"
    return RequestError("texts_type", reason, field=path)


def _surrogate(body: bytes) -> RequestError | None:
    """Return the error for a body that would be JSON, were it not for half a surrogate pair; else None."""
    try:
        texts = json.loads(body)["texts"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    listed: Sequence[Any] = texts if isinstance(texts, list) else [texts]
    for index, text in enumerate(listed):
        position = next((i for i, c in enumerate(str(text)) if "\ud800" <= c <= "\udfff"), None)
        if position is not None:
            reason = f"the text has half of a surrogate pair at position {position}; send the whole character"
            field = f"texts[{index}]" if texts is listed else "texts"
            return RequestError("text_surrogate", reason, field=field)
    return None


def _query(query: bytes) -> ScoreRequest:
    """Return what a query string asks for; its texts are a list where the name is repeated."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"the query is not percent-encoded UTF-8: {error.reason}") from None
    except ValueError as error:
        raise RequestError("query_invalid", f"the query cannot be read: {error}") from None
    texts = [value for name, value in pairs if name == "texts"]
    if not texts:
        raise RequestError("texts_missing", 'the query has no "texts"; ask for ?texts=…', field="texts")
    detail = dict(pairs).get("detail", "false")
    if detail not in {"true", "false"}:
        raise RequestError("detail_type", "true or false is wanted", field="detail")
    return ScoreRequest(texts[0] if len(texts) == 1 else texts, detail=detail == "true")
