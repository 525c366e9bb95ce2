"""uvicorn's HTTP protocol, with a clock for slow clients, a quick no when there is too much to do, and a soft end.

uvicorn itself waits for ever for a client's headers and for its reading of an answer, holds any number of connections,
and closes the idle ones at once when it stops, also those on which a request is just arriving.
"""

import asyncio
from functools import partial
from math import inf
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from review_scorer.errors import is_inference, overloaded
from review_scorer.server.body import SMALL_BODY, size_of
from review_scorer.server.http_rules import StrictProtocol
from review_scorer.server.raw_responses import as_http

# When stopping: for so many seconds an idle connection may still bring a request, which is answered with
# `Connection: close`. Who sends again and again learns so of the end; who pauses for longer finds it closed.
LINGER = 1.0

_OVERLOADED = as_http(overloaded(), "%b")


class Protocol(StrictProtocol):
    """One connection.

    What it needs of the app it finds in the ASGI lifespan's state: ``settings``, ``admission``, ``observed`` and
    ``direct``. ``_start_asgi_task`` is uvicorn's own affair; the version of uvicorn is bounded for its sake.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, and make room if there are too many."""
        super().connection_made(transport)
        # A request whose body may be small enough to arrive with its head.
        self._undecided: tuple[RequestResponseCycle, Any] | None = None
        self._settings = self.app_state["settings"]
        self._shortest = min(
            self._settings.read_header_timeout, self._settings.write_timeout, self._settings.keepalive_seconds
        )
        # By when the client must have sent its next headers, and have read what it was sent.
        self._headers_due = self.loop.time() + self._settings.read_header_timeout
        self._answer_due = inf
        self._clock = self.loop.call_later(self._shortest, self._look)
        self._idle: dict[Protocol, None] = self.app_state.setdefault("idle", {})
        self._idle[self] = None
        if len(self.connections) > self._settings.max_connections:
            # Out of the list at once: it may take until after the next newcomer to close.
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.transport.close()
        if "stopping" in self.app_state:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.cancel()
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what the direct way cannot take, as its body did not arrive at once, the app begins to answer now."""
        super().data_received(data)
        self._decide()

    def on_message_begin(self) -> None:
        """Give the headers their time from the first byte on."""
        self._headers_due = self.loop.time() + self._settings.read_header_timeout
        self._idle.pop(self, None)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop waiting for headers. The body has a time of its own, see ``WholeBody``."""
        self._headers_due = inf
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take the direct way if it is open."""
        super().on_message_complete()
        if self._undecided:
            # It may be answered at once, and the next begin.
            undecided, self._undecided = self._undecided, None
            cycle, _ = undecided
            if not self.app_state["direct"].begin(cycle.scope, bytes(cycle.body), partial(self._reply, cycle)):
                self._undecided = undecided

    def on_response_complete(self) -> None:
        """Give the next request its time to come, or its headers if they came already in part."""
        if not self.pipeline and not self.transport.is_closing():
            if self._headers_due == inf:
                self._headers_due = self.loop.time() + self._settings.keepalive_seconds
                self._idle[self] = None
            else:
                self._headers_due = self.loop.time() + self._settings.read_header_timeout
        super().on_response_complete()
        self._decide()

    def pause_writing(self) -> None:
        """Give the client its time to read what was written."""
        self._answer_due = self.loop.time() + self._settings.write_timeout
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop waiting for the client to read."""
        self._answer_due = inf
        super().resume_writing()

    def shutdown(self) -> None:
        """Begin to stop: no further request after the next one."""
        self.app_state["stopping"] = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER, self._close_idle)
        else:
            super().shutdown()

    def _close_idle(self) -> None:
        if self in self._idle:
            self.transport.close()

    def _look(self) -> None:
        """Close a connection whose time is up. Looking now and then is cheaper than a timer set at every request."""
        now = self.loop.time()
        if self.transport.is_closing() and self._answer_due == inf:
            self._answer_due = now + self._settings.write_timeout
        if now >= self._answer_due:
            self.transport.abort()
            return
        if self._headers_due != inf and self.cycle is not None and not self.cycle.response_complete:
            # Who waits for an answer is not late with the next request, which may not even be read before.
            self._headers_due = now + self._settings.read_header_timeout
        if now >= self._headers_due:
            self.transport.close()
            self._headers_due = inf
        left = min(self._headers_due, self._answer_due) - now
        self._clock = self.loop.call_later(min(left, self._shortest), self._look)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Refuse with one write where nothing is special, at two thirds of what it costs through ASGI."""
        if "stopping" in self.app_state:
            cycle.keep_alive = False
        if cycle.keep_alive and self.app_state["admission"].pending and self._refuses(cycle.scope):
            identity = self.app_state["observed"].refused(cycle.scope, 503)
            self._write(cycle, _OVERLOADED % identity.encode())
        elif self._may_be_direct(cycle):
            self._undecided = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _decide(self) -> None:
        """Let the app begin with a request whose body did not arrive with its head."""
        if self._undecided:
            undecided, self._undecided = self._undecided, None
            super()._start_asgi_task(*undecided)

    def _may_be_direct(self, cycle: RequestResponseCycle) -> bool:
        direct = self.app_state["direct"]
        # One that had to wait for others on its connection may be here already, or only in part. And only the app waits
        # for a client that does not read what it was sent.
        late = cycle is not self.cycle or not cycle.more_body or cycle.body or self.flow.write_paused
        return bool(cycle.keep_alive and not late and direct.takes(cycle.scope))

    def _reply(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        """Send an answer that did not go through the app, with what uvicorn adds to all others."""
        if not cycle.disconnected and not self.transport.is_closing():
            always = b"".join([b"%b: %b\r\n" % field for field in cycle.default_headers])
            last = b"" if cycle.keep_alive else b"connection: close\r\n"
            self._write(cycle, b"".join((head, always, last, b"\r\n", body)))

    def _write(self, cycle: RequestResponseCycle, content: bytes) -> None:
        self.transport.write(content)
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _refuses(self, scope: Any) -> bool:
        headers = dict(scope["headers"])
        # A page of another origin reads only answers that are marked for it, which is done above the app.
        if b"transfer-encoding" in headers or b"origin" in headers or scope["method"] == "HEAD":
            return False
        if is_inference(scope["path"]) or self.flow.write_paused:
            return False  # its refusals have another shape; and only the app waits for a client that does not read
        size = size_of(scope["query_string"], headers)
        refused: bool = size <= SMALL_BODY and self.app_state["admission"].refuses(scope["path"], size)
        return refused
