"""uvicorn's HTTP protocol with stricter parsing: ambiguous requests are refused, and every part has a maximum size.

If a proxy and this service disagree about where a request ends, one client's bytes can pass for another client's
request ("request smuggling"). httptools refuses most of such requests; the others are refused here.
Reference: https://www.rfc-editor.org/rfc/rfc9112, sections 3.2, 6 and 9
"""

import asyncio
from collections.abc import Sequence, Sized
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from review_scorer.errors import RequestError
from review_scorer.server.raw_responses import error_bytes
from review_scorer.server.runtime import Runtime

# Bytes of the request line with the headers; also of chunk extensions and trailers, which are not used.
MAX_HEAD = 65_536
MAX_FIELDS = 100

# 64 bits have at most 20 digits. Python refuses to parse numbers of thousands of digits, even if they are all zeros.
_MAX_DIGITS = 20

# Requests that may wait on a connection for the responses to earlier ones. Each takes a hundred times the memory of its
# bytes.
MAX_WAITING = 100

# Seconds after a refusal in which the client may go on sending; what it sends is not parsed. A connection that is
# closed with unread bytes is reset, and the client may lose the refusal.
LINGER_AFTER_REFUSAL = 1.0

# The scope of a request that could not be parsed.
_UNKNOWN = {"path": "", "headers": ()}


class StrictProtocol(HttpToolsProtocol):
    """One connection, which ends at the first request that is not well-formed HTTP/1.

    That request is answered with an error in the usual form, after the responses to the requests before it.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up the state of the connection."""
        super().connection_made(transport)
        self.flow = _BoundedFlow(transport, self.pipeline)
        self._runtime: Runtime = self.app_state["runtime"]
        self._final_response: bytes | None = None
        self._started: RequestResponseCycle | None = None
        # Bytes since the parser last reported a part that is used.
        self._unused = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect to the request that is being answered; uvicorn reports it only to the latest one."""
        if self._started is not None and not self._started.response_complete:
            self._started.disconnected = True
            self._started.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; ignore it after a refusal."""
        self._unset_keepalive_if_required()
        while data and self._final_response is None:
            data = self._parse(data)

    def on_headers_complete(self) -> None:
        """Check the headers and start the request. Trailers of a chunked body are not added to its headers."""
        self._unused = 0
        if self.parser.get_method() == b"CONNECT":
            raise _malformed("CONNECT is not supported, as this is not a proxy")
        # A request to upgrade is parsed again without its upgrade.
        if not self.parser.should_upgrade():
            _check(self.parser.get_http_version(), self.url, self.headers)
            if len(self.pipeline) >= MAX_WAITING:
                raise _pipeline_too_long()
            super().on_headers_complete()
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the body as complete."""
        self._unused = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # uvicorn does not do so if the response came before the body.
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Start the next request, or send the refusal that waited for this response."""
        if self._final_response and not self.pipeline:
            self._send_final(self._final_response)
        elif not self.transport.is_closing():
            # uvicorn sets a timer for idle connections here, at every response. ``HttpProtocol`` has a cheaper one.
            self.server_state.total_requests += 1
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Let ``app`` answer; ``disconnected`` in the request's state tells it whether the client is gone."""
        self._started = cycle
        cycle.scope["state"]["disconnected"] = self.transport.is_closing
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; return what it must parse again if the request asked to upgrade, which is ignored."""
        self._unused += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            head = self._head_without_upgrade()
            # The old parser would skip what follows as data of the other protocol.
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
            return head + data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            # The callbacks raise a RequestError, or uvicorn cannot parse the target.
            cause = error.__context__
            self._refuse(cause if isinstance(cause, RequestError) else _malformed("the request target is invalid"))
        except httptools.HttpParserError as error:
            self._refuse(_malformed(str(error)))
        else:
            if self._unused > MAX_HEAD:
                self._refuse(_head_too_large())
        return b""

    def _head_without_upgrade(self) -> bytes:
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([line, *fields, b"", b""])

    def _refuse(self, error: RequestError) -> None:
        cycle = self.cycle
        # A request with an invalid body has been recorded already; one with an invalid head has not.
        recorded = cycle is not None and cycle.more_body and not self.pipeline
        request_id = "-" if recorded else self._runtime.telemetry.record_refusal(_UNKNOWN, error.status)
        self._final_response = error_bytes(error, request_id, close=True)
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self._send_final(self._final_response)
        elif cycle.more_body and self.pipeline:
            self.pipeline.popleft()  # its body is invalid; the refusal is sent after the responses before it
        elif cycle.more_body and cycle.response_started:
            self.transport.close()
        elif cycle.more_body:
            cycle.disconnected = True
            cycle.message_event.set()
            self._send_final(self._final_response)

    def _send_final(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.write_eof()
            self.flow.resume_reading()
            self.loop.call_later(LINGER_AFTER_REFUSAL, self.transport.close)


class _BoundedFlow(FlowControl):
    """Stops reading while ``waiting`` holds requests; uvicorn resumes after every response."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Resume reading unless requests are waiting."""
        if not self._waiting:
            super().resume_reading()


def _check(version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise ``RequestError`` for a head that httptools accepts and other servers might parse in another way."""
    if version not in {"1.0", "1.1"}:
        raise _malformed(f"HTTP/{version} is not supported; use HTTP/1.1")
    names = [name for name, _ in headers]
    if len(names) > MAX_FIELDS or len(url) + sum([len(name) + len(value) for name, value in headers]) > MAX_HEAD:
        raise _head_too_large()
    if names.count(b"host") != 1 and (version == "1.1" or b"host" in names):
        raise _malformed("there must be exactly one Host header")
    if [name for name, value in headers if name == b"content-length" and len(value) > _MAX_DIGITS]:
        raise _malformed(f"Content-Length has more than {_MAX_DIGITS} digits")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise _malformed('the only supported transfer coding is "chunked", once, in HTTP/1.1')


def _malformed(reason: str) -> RequestError:
    return RequestError("http_invalid", f"malformed HTTP request: {reason}")


def _head_too_large() -> RequestError:
    reason = f"request line and headers exceed the limit of {MAX_HEAD:,} bytes or {MAX_FIELDS} headers"
    return RequestError("head_too_large", reason)


def _pipeline_too_long() -> RequestError:
    reason = (
        f"{MAX_WAITING} requests are waiting on this connection; read their responses first, or send a list of texts"
    )
    return RequestError("pipeline_too_long", reason)
