"""The fast path: one review in a small body, from the parser to the queue and from the queue to the socket.

The resource ``Scores`` answers all other requests. Through it, such a request costs twice as much as its score, and
each step of its coroutines waits for the next iteration of the event loop, which is long with many connections. The
responses are the same, header by header; a request that cannot be scored is left to the resource.
"""

import logging

from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.api.predictor import Predictor
from review_scorer.api.scores import encode_score, parse_request
from review_scorer.asgi import Scope
from review_scorer.errors import RequestError, error_response, internal
from review_scorer.prediction_log.prediction_ids import HEADER, new_id
from review_scorer.scoring.errors import TextError
from review_scorer.scoring.scorer import Prediction
from review_scorer.server.body import SMALL_BODY
from review_scorer.server.raw_responses import response_head
from review_scorer.server.runtime import Reply
from review_scorer.telemetry.middleware import RequestContext, TelemetryMiddleware

log = logging.getLogger(__name__)

PATHS = frozenset(("/api/1/users", "/api/1/scores"))

# Headers that need more than the path and the body.
_UNSUPPORTED_HEADERS = frozenset((b"expect", b"origin", b"transfer-encoding"))

_HEAD = response_head(200, {"content-type": "application/json", HEADER: "%b", "content-length": "%d"}, "%b")


class FastPath:
    """Answers the simplest requests for a score, if ``auth`` allows them; see ``review_scorer.server.runtime``."""

    def __init__(self, predictor: Predictor, auth: ApiKeyAuth, telemetry: TelemetryMiddleware) -> None:
        self.predictor = predictor
        self.telemetry = telemetry
        self._auth = auth

    def accepts(self, scope: Scope) -> bool:
        """Return whether a request with this head may be one to handle."""
        if scope["path"] not in PATHS or scope["method"] != "POST" or scope["query_string"]:
            return False
        size = 0
        for name, value in scope["headers"]:
            if name in _UNSUPPORTED_HEADERS:
                return False
            if name == b"content-length":
                size = int(value)
        return 0 < size <= SMALL_BODY

    def handle(self, scope: Scope, body: bytes, reply: Reply) -> bool:
        """Answer a request by calling ``reply`` once, now or later; return False to leave it to the resource."""
        predictor = self.predictor
        try:
            request = parse_request(body)
            if request.detail or not isinstance(request.texts, str):
                return False
            text = predictor.scorer.check(request.texts)
        except (RequestError, TextError):
            return False
        admission, context = predictor.admission, self.telemetry.begin(scope)
        response = _Response(self, context, text, reply)
        try:
            self._auth.authenticate(scope["path"], dict(scope["headers"]), context)
            response.work = admission.acquire(1, len(body))
        except RequestError as error:
            response.set_exception(error)
        else:
            admission.queue.submit(predictor.scorer.predict_checked, [text], response)
        return True


class _Response:
    """A ``ResultSink`` that writes the response to the socket as soon as the queue calls it."""

    __slots__ = ("_context", "_fast_path", "_reply", "_text", "work")

    def __init__(self, fast_path: FastPath, context: RequestContext, text: str, reply: Reply) -> None:
        self.work = 0
        self._fast_path = fast_path
        self._context = context
        self._text = text
        self._reply = reply

    def cancelled(self) -> bool:
        """Return False: a disconnect is noticed only when the response is sent."""
        return False

    def set_result(self, predictions: list[Prediction], /) -> None:
        """Answer with the score."""
        context, prediction_id = self._context, new_id()
        try:
            self._fast_path.predictor.notify([self._text], [prediction_id], predictions, context)
            body = encode_score(predictions[0])
        except Exception as error:  # noqa: BLE001 - a bug must not stop the queue; only this request gets the error
            self.set_exception(error)
            return
        self._end(200, _HEAD % (prediction_id.encode(), len(body), context.id.encode()), body)

    def set_exception(self, exception: Exception, /) -> None:
        """Answer with the error; any other than a ``RequestError`` is a bug."""
        context = self._context
        if isinstance(exception, RequestError):
            error = exception
        else:
            error = internal()
            log.error("POST %s failed", context.route, exc_info=exception)
        status, headers, body = error_response(error, context.route)
        self._end(status, response_head(status, headers, context.id), body)

    def _end(self, status: int, head: bytes, body: bytes) -> None:
        self._fast_path.predictor.admission.release(self.work)
        self._context.status = status
        self._reply(head, body)
        self._fast_path.telemetry.end(self._context)
