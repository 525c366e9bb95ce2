"""uvicorn's HTTP protocol with timeouts for slow clients, early refusals under overload and a graceful shutdown.

uvicorn itself has no timeout for a client's headers or for its reading of a response, accepts any number of
connections, and closes idle connections at once on shutdown, even those on which a request is just arriving.
"""

import asyncio
from functools import partial
from math import inf
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from review_scorer.capacity.admission import BYTES_PER_TEXT
from review_scorer.errors import is_inference, overloaded
from review_scorer.server.body import SMALL_BODY, announced_size
from review_scorer.server.http_rules import StrictProtocol
from review_scorer.server.raw_responses import error_bytes

# Seconds after the start of a shutdown in which an idle connection may still bring a request, which is answered with
# `Connection: close`. A client that keeps sending learns of the end in this way; one that pauses for longer finds the
# connection closed.
LINGER = 1.0

_OVERLOADED = error_bytes(overloaded(), "%b")


class HttpProtocol(StrictProtocol):
    """One connection.

    It finds the ``Runtime`` of the app in the state of the ASGI lifespan. The internals of uvicorn that it relies on
    are listed in ``tests/server/test_uvicorn_contract.py``, and uvicorn's version is bounded because of them.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeouts, and close the longest idle connection if there are too many."""
        super().connection_made(transport)
        # A request that the fast path may handle, if its body arrives with its head.
        self._candidate: tuple[RequestResponseCycle, Any] | None = None
        self._settings = self._runtime.settings
        self._connections = self._runtime.connections
        self._shortest = min(
            self._settings.read_header_timeout, self._settings.write_timeout, self._settings.keepalive_seconds
        )
        # When the client must have sent its next headers, and have read what it was sent.
        self._headers_due = self.loop.time() + self._settings.read_header_timeout
        self._read_due = inf
        self._timer = self.loop.call_later(self._shortest, self._check_timeouts)
        idle = self._connections.idle
        idle[transport] = None
        if len(self.connections) > self._settings.max_connections:
            # Removed at once: it may take until after the next new connection to close.
            oldest = next(iter(idle))
            del idle[oldest]
            oldest.close()
        if self._connections.stopping:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeouts."""
        self._timer.cancel()
        self._connections.idle.pop(self.transport, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; let the app start with a request whose body did not arrive with its head."""
        super().data_received(data)
        self._pass_to_app()

    def on_message_begin(self) -> None:
        """Start the timeout of the headers with their first byte."""
        self._headers_due = self.loop.time() + self._settings.read_header_timeout
        self._connections.idle.pop(self.transport, None)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the timeout of the headers. The body has one of its own, see ``WholeBody``."""
        self._headers_due = inf
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Handle the request on the fast path, if it is accepted there."""
        super().on_message_complete()
        if self._candidate:
            # The request may be answered at once, and the next one start.
            candidate, self._candidate = self._candidate, None
            cycle, _ = candidate
            fast_path = self._runtime.fast_path
            if not fast_path or not fast_path.handle(cycle.scope, bytes(cycle.body), partial(self._reply, cycle)):
                self._candidate = candidate

    def on_response_complete(self) -> None:
        """Start the timeout of the next request, or of its headers if a part of them has arrived already."""
        if not self.pipeline and not self.transport.is_closing():
            if self._headers_due == inf:
                self._headers_due = self.loop.time() + self._settings.keepalive_seconds
                self._connections.idle[self.transport] = None
            else:
                self._headers_due = self.loop.time() + self._settings.read_header_timeout
        super().on_response_complete()
        self._pass_to_app()

    def pause_writing(self) -> None:
        """Start the timeout for the client to read what was written."""
        self._read_due = self.loop.time() + self._settings.write_timeout
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop the timeout for the client to read."""
        self._read_due = inf
        super().resume_writing()

    def shutdown(self) -> None:
        """Start to shut down: at most one more request is answered."""
        self._connections.stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER, self._close_idle)
        else:
            super().shutdown()

    def _close_idle(self) -> None:
        if self.transport in self._connections.idle:
            self.transport.close()

    def _check_timeouts(self) -> None:
        """Close a connection whose timeout has passed. A regular check is cheaper than a timer set at every request."""
        now = self.loop.time()
        if self.transport.is_closing() and self._read_due == inf:
            self._read_due = now + self._settings.write_timeout
        if now >= self._read_due:
            self.transport.abort()
            return
        if self._headers_due != inf and self.cycle is not None and not self.cycle.response_complete:
            # A client that waits for a response is not late with its next request, which may not even be read yet.
            self._headers_due = now + self._settings.read_header_timeout
        if now >= self._headers_due:
            self.transport.close()
            self._headers_due = inf
        left = min(self._headers_due, self._read_due) - now
        self._timer = self.loop.call_later(min(left, self._shortest), self._check_timeouts)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request: refuse it, keep it for the fast path or pass it to ``app``.

        Refusing here, with one write, takes two thirds of the CPU of a refusal through ASGI.
        """
        runtime = self._runtime
        if self._connections.stopping:
            cycle.keep_alive = False
        if cycle.keep_alive and runtime.admission.pending and self._refuses(cycle.scope):
            request_id = runtime.telemetry.record_refusal(cycle.scope, 503)
            self._write(cycle, _OVERLOADED % request_id.encode())
        elif self._may_be_fast(cycle):
            self._candidate = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _pass_to_app(self) -> None:
        if self._candidate:
            candidate, self._candidate = self._candidate, None
            super()._start_asgi_task(*candidate)

    def _may_be_fast(self, cycle: RequestResponseCycle) -> bool:
        fast_path = self._runtime.fast_path
        # The body of a request that waited for others on its connection may have arrived already, or in part. And only
        # the app waits for a client that does not read its responses.
        late = cycle is not self.cycle or not cycle.more_body or cycle.body or self.flow.write_paused
        return bool(fast_path and cycle.keep_alive and not late and fast_path.accepts(cycle.scope))

    def _reply(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        """Send a response of the fast path, with the headers that uvicorn adds to all others."""
        if not cycle.disconnected and not self.transport.is_closing():
            default = b"".join([b"%b: %b\r\n" % field for field in cycle.default_headers])
            last = b"" if cycle.keep_alive else b"connection: close\r\n"
            self._write(cycle, b"".join((head, default, last, b"\r\n", body)))

    def _write(self, cycle: RequestResponseCycle, content: bytes) -> None:
        self.transport.write(content)
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _refuses(self, scope: Any) -> bool:
        """Return whether a request is refused here; False leaves the decision to ``WholeBody``."""
        headers = dict(scope["headers"])
        # The response to a page of another origin needs CORS headers, which are added outside of this class.
        if b"transfer-encoding" in headers or b"origin" in headers or scope["method"] == "HEAD":
            return False
        if is_inference(scope["path"]) or self.flow.write_paused:
            return False  # those errors have another form; and only the app waits for a client that does not read
        size = announced_size(scope["query_string"], headers)
        if size > SMALL_BODY:
            return False
        return self._runtime.admission.decide(work=size // BYTES_PER_TEXT, path=scope["path"]) is not None
