"""The direct way: one review in a small body, from the parser to the queue and from its turn to the socket.

Through the app, which answers all others, such a request costs twice as much as its score does; and each step of a
coroutine waits for the loop's next round, which is long when many connections have something to say. The answers are
the app's, header by header; a request that is not to be scored goes to the app in any case.
"""

import logging
from collections.abc import Callable

import msgspec

from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.api.parsing import ScoreRequest, parse_body
from review_scorer.api.predictor import Predictor
from review_scorer.api.schemas import ScoreResponse
from review_scorer.asgi import Scope
from review_scorer.errors import RequestError, internal
from review_scorer.prediction_log.prediction_ids import HEADER, new_id
from review_scorer.scoring.errors import TextError
from review_scorer.scoring.scorer import Prediction
from review_scorer.server.body import SMALL_BODY
from review_scorer.server.raw_responses import fields_of, head
from review_scorer.telemetry.middleware import RequestContext, TelemetryMiddleware

log = logging.getLogger(__name__)

Reply = Callable[[bytes, bytes], None]
"""Takes an answer's head and body. May be called once."""

PATHS = frozenset(("/api/1/users", "/api/1/scores"))

# With these there is more to a request than its path and its body.
_MORE = frozenset((b"expect", b"origin", b"transfer-encoding"))

_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode
_HEAD = head(
    200,
    {"content-type": "application/json", HEADER: "%b", "content-length": "%d", "x-request-id": "%b"},
)


class FastPath:
    """Answers by ``predictor`` what is as simple as most requests are, if ``guarding`` lets it in.

    ``observed`` tells of it.
    """

    def __init__(self, predictor: Predictor, guarding: ApiKeyAuth, observed: TelemetryMiddleware) -> None:
        self.predictor = predictor
        self.observed = observed
        self._guarding = guarding

    def takes(self, scope: Scope) -> bool:
        """Whether a request with such a head may be one for it."""
        if scope["path"] not in PATHS or scope["method"] != "POST" or scope["query_string"]:
            return False
        size = 0
        for name, value in scope["headers"]:
            if name in _MORE:
                return False
            if name == b"content-length":
                size = int(value)
        return 0 < size <= SMALL_BODY

    def begin(self, scope: Scope, body: bytes, reply: Reply) -> bool:
        """Answer by ``reply``, now or later, what ``body`` asks for; or return False if that is for the app."""
        predictor = self.predictor
        try:
            asked = parse_body(body, _decoder)
            if asked.detail or not isinstance(asked.texts, str):
                return False
            predictor.scorer.check(asked.texts)
        except (RequestError, TextError):
            return False
        admission, exchange = predictor.admission, self.observed.begin(scope)
        answer = _Answer(self, exchange, asked.texts, reply)
        try:
            exchange.key = self._guarding.admit(scope["path"], dict(scope["headers"]))
            answer.work = admission.begin(1, len(body))
        except RequestError as error:
            answer.set_exception(error)
        else:
            admission.turns.queue(predictor.scorer.predict_many, [asked.texts], answer)
        return True


class _Answer:
    """One that is waited for; what a turn tells it goes straight to the socket."""

    __slots__ = ("_direct", "_exchange", "_reply", "_text", "work")

    def __init__(self, direct: FastPath, exchange: RequestContext, text: str, reply: Reply) -> None:
        self.work = 0
        self._direct = direct
        self._exchange = exchange
        self._text = text
        self._reply = reply

    def cancelled(self) -> bool:
        """Never: who went away is not heard of until the answer is sent."""
        return False

    def set_result(self, details: list[Prediction], /) -> None:
        """Answer with the score."""
        exchange, identity = self._exchange, new_id()
        try:
            self._direct.predictor.tell([self._text], [identity], details, exchange)
            body = _encode(ScoreResponse(details[0].score))
        except Exception as error:  # noqa: BLE001 - others wait for their turns, and whom a bug hits has the error
            self.set_exception(error)
            return
        self._end(200, _HEAD % (identity.encode(), len(body), exchange.id.encode()), body)

    def set_exception(self, exception: Exception, /) -> None:
        """Answer with the error, which is the service's own fault if nobody could have foreseen it."""
        if isinstance(exception, RequestError):
            error = exception
        else:
            error = internal()
            log.error("POST %s failed", self._exchange.route, exc_info=exception)
        self._end(error.status, head(error.status, fields_of(error, self._exchange.id)), error.body)

    def _end(self, status: int, head: bytes, body: bytes) -> None:
        self._direct.predictor.admission.end(self.work)
        self._exchange.status = status
        self._reply(head, body)
        self._direct.observed.end(self._exchange)
