"""Events of each request, which metrics, log and traces subscribe to."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from random import getrandbits
from typing import Any

import falcon.asgi
import falcon.inspect

from review_scorer.asgi import ASGI, Receive, Scope, Send
from review_scorer.scoring.scorer import Prediction

OTHER = "other"
"""The route of all paths that do not exist: the values of a metric's label must be a bounded set."""

_SAFE_ID = re.compile(rb"[\w.:/+=@-]{1,128}").fullmatch


class RequestContext:
    """One request and its response.

    ``id`` is the request id, ``key`` the name of the API key, ``trace_id`` the id of the trace, ``scope`` the request's
    ASGI scope. ``texts``, ``characters`` and ``tokens`` count what was scored; ``seconds`` is the duration.
    """

    __slots__ = (
        *("characters", "id", "key", "route", "scope", "seconds", "started", "status", "texts", "tokens", "trace_id"),
    )

    def __init__(self, scope: Scope, *, route: str, started: float, identity: str) -> None:
        self.id = identity
        self.scope = scope
        self.route = route
        self.started = started
        self.key: str | None = None
        self.trace_id: str | None = None
        self.seconds = 0.0
        # nginx's status for a client that disconnects before the response.
        self.status = 499
        self.texts = self.characters = self.tokens = 0


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
"""The request that the running code belongs to."""


class RequestEvents:
    """Callbacks for the start of a request, for its end, and for the predictions made in between."""

    def __init__(self) -> None:
        self.started: list[Callable[[RequestContext], None]] = []
        self.ended: list[Callable[[RequestContext], None]] = []
        self.scored: list[Callable[[Sequence[Prediction]], None]] = []

    def record(
        self, texts: Sequence[str], predictions: Sequence[Prediction] = (), context: RequestContext | None = None
    ) -> None:
        """Record ``texts`` and their predictions, if any, in ``context``, which is the current request by default."""
        if context := context or current_request.get():
            context.texts += len(texts)
            context.characters += sum(map(len, texts))
            context.tokens += sum([prediction.tokens for prediction in predictions])
        for notify in self.scored:
            notify(predictions)


class TelemetryMiddleware:
    """ASGI middleware that emits ``events``. ``routes`` are the templates of all paths.

    It must be the outermost middleware, so that no response is missed. It chooses the request id, and stores it in
    ``scope["state"]["request_id"]``.
    """

    def __init__(self, app: ASGI, events: RequestEvents, *, routes: Sequence[str]) -> None:
        self._app = app
        self._events = events
        self._route = _router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # uvicorn passes a list of tuples. ASGI allows any iterables, even ones that can be read only once.
        if not isinstance(scope["headers"], list):
            scope["headers"] = list(map(tuple, scope["headers"]))
        context = self.begin(scope)
        scope.setdefault("state", {})["request_id"] = context.id

        async def send_observed(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
            await send(message)

        current_request.set(context)
        try:
            await self._app(scope, receive, send_observed)
        finally:
            self.end(context)

    def record_refusal(self, scope: Scope, status: int) -> str:
        """Record a request that the server refused with ``status`` before the app saw it; return its request id."""
        context = self.begin(scope)
        context.status = status
        self.end(context)
        return context.id

    def begin(self, scope: Scope) -> RequestContext:
        """Return the context of a request that starts; the caller must pass it to ``end``."""
        context = RequestContext(
            scope,
            route=self._route(scope["path"]),
            started=time.perf_counter(),
            identity=_request_id(scope["headers"]),
        )
        for notify in self._events.started:
            notify(context)
        return context

    def end(self, context: RequestContext) -> None:
        """Record the end of a request."""
        context.seconds = time.perf_counter() - context.started
        for notify in self._events.ended:
            notify(context)


def routes_of(app: falcon.asgi.App[Any, Any]) -> list[str]:
    """Return the templates of the paths that ``app`` answers."""
    return [route.path for route in falcon.inspect.inspect_routes(app)]


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the client's ``X-Request-Id`` if it is safe to log, else a new id."""
    for name, value in headers:
        if name == b"x-request-id" and _SAFE_ID(value):
            return value.decode()
    return getrandbits(64).to_bytes(8).hex()  # unique, not secret; Python seeds anew after a fork


def _router(routes: Sequence[str]) -> Callable[[str], str]:
    """Return the function that maps a path to its template."""
    plain = {route: route for route in routes if "{" not in route}
    templates = [(re.compile(re.sub(r"\{[^}]*\}", "[^/]+", route)), route) for route in routes if "{" in route]

    def route(path: str) -> str:
        found = plain.get(path)
        if found is None:
            found = next((route for pattern, route in templates if pattern.fullmatch(path)), OTHER)
        return found

    return route
