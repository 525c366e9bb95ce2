"""What is known of each request, for those who count, log and trace.

The outermost wrapper of the app: nothing that is answered escapes it, whoever answers.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from random import getrandbits
from typing import Any

import falcon.asgi
import falcon.inspect

from review_scorer import errors
from review_scorer.asgi import ASGI, Receive, Scope, Send
from review_scorer.scoring.scorer import Prediction
from review_scorer.server.body import answer
from review_scorer.server.headers import with_always

log = logging.getLogger(__name__)

OTHER = "other"
"""The route of a path that there is not: paths are endless, and the values of a label must not be."""


class RequestContext:
    """One request and its answer. What was scored is 0 where nothing was; times are in seconds.

    ``id`` names it, in the log and to the client; ``key`` is the name of the API key that it came with, ``trace_id``
    that of its trace, where there is one; ``scope`` is what ASGI says of the request.
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
        # What nginx logs of a client that went away before there was an answer.
        self.status = 499
        self.texts = self.characters = self.tokens = 0


_SANE = re.compile(rb"[\w.:/+=@-]{1,128}").fullmatch

current: ContextVar[RequestContext | None] = ContextVar("exchange", default=None)
"""The exchange that the running code belongs to."""


class RequestEvents:
    """Who is told when an exchange begins, when it ended, and what was scored in it."""

    def __init__(self) -> None:
        self.begun: list[Callable[[RequestContext], None]] = []
        self.ended: list[Callable[[RequestContext], None]] = []
        self.scored: list[Callable[[Sequence[Prediction]], None]] = []

    def note(
        self, texts: Sequence[str], details: Sequence[Prediction] = (), exchange: RequestContext | None = None
    ) -> None:
        """Take note of what was done in ``exchange``, by default the current one.

        That is: of ``texts``, and how they were scored if they were.
        """
        if exchange := exchange or current.get():
            exchange.texts += len(texts)
            exchange.characters += sum(map(len, texts))
            exchange.tokens += sum([detail.tokens for detail in details])
        for tell in self.scored:
            tell(details)


class TelemetryMiddleware:
    """An ASGI wrapper that tells ``watch`` of each exchange. ``routes`` are the templates of all paths.

    Each answer says which request it is of, and has the headers of every answer; a bug in ``app`` has an answer, too.
    """

    def __init__(self, app: ASGI, watch: RequestEvents, *, routes: Sequence[str]) -> None:
        self._app = app
        self._watch = watch
        self._route = _router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # ASGI allows what can be read only once; this is read again further in.
        scope["headers"] = list(map(tuple, scope["headers"]))
        exchange = self.begin(scope)
        started = False

        async def send_observed(message: dict[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                exchange.status = message["status"]
                message["headers"] = [*with_always(message["headers"]), (b"x-request-id", exchange.id.encode())]
            await send(message)

        current.set(exchange)
        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            log.exception("request %s failed", exchange.id)
            if started:
                raise  # the server cuts the connection: half an answer must not look whole
            await answer(errors.internal(), scope["path"], send_observed, close=True)
        finally:
            self.end(exchange)

    def refused(self, scope: Scope, status: int) -> str:
        """Tell of an exchange that the server ended on its own with ``status``; return the request's id."""
        exchange = self.begin(scope)
        exchange.status = status
        self.end(exchange)
        return exchange.id

    def begin(self, scope: Scope) -> RequestContext:
        """Tell of an exchange that begins, outside of the app; the caller ends it."""
        identity = _identity(scope["headers"])
        exchange = RequestContext(
            scope, route=self._route(scope["path"]), started=time.perf_counter(), identity=identity
        )
        for tell in self._watch.begun:
            tell(exchange)
        return exchange

    def end(self, exchange: RequestContext) -> None:
        """Tell that it ended; the rest of it is known by now."""
        exchange.seconds = time.perf_counter() - exchange.started
        for tell in self._watch.ended:
            tell(exchange)


def routes_of(app: falcon.asgi.App[Any, Any]) -> list[str]:
    """Return the templates of the paths that ``app`` answers."""
    return [route.path for route in falcon.inspect.inspect_routes(app)]


def _identity(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the client gave the request if it can be written anywhere, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _SANE(value):
            return value.decode()
    return getrandbits(64).to_bytes(8).hex()  # unique, not secret; Python seeds anew after a fork


def _router(routes: Sequence[str]) -> Callable[[str], str]:
    """Return what gives the route of a path."""
    plain = {route: route for route in routes if "{" not in route}
    templates = [(re.compile(re.sub(r"\{[^}]*\}", "[^/]+", route)), route) for route in routes if "{" in route]

    def route(path: str) -> str:
        found = plain.get(path)
        if found is None:
            found = next((route for pattern, route in templates if pattern.fullmatch(path)), OTHER)
        return found

    return route
