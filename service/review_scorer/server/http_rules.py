"""uvicorn's HTTP protocol, stricter: what can be read in two ways is refused, and nothing is taken in without end.

A proxy that finds the end of a request elsewhere than this service does lets one client's bytes pass for another
client's request ("request smuggling"). httptools refuses most of what it is done with; the rest is refused here.
Reference: https://www.rfc-editor.org/rfc/rfc9112, sections 3.2, 6 and 9
"""

import asyncio
from collections.abc import Sequence, Sized
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from review_scorer.errors import RequestError
from review_scorer.server.raw_responses import as_http

# Bytes of a request's line and headers; also of whatever else is no body: extensions of chunks, trailers.
MAX_HEAD = 65_536
MAX_FIELDS = 100

# As many as 64 bits take. Python reads no number of thousands of digits, and those may all be noughts.
_MAX_DIGITS = 20

# Requests that may wait on a connection for the answers to those before them. Each takes a hundred times the memory of
# its bytes.
MAX_WAITING = 100

# For so many seconds after a refusal the client may go on sending, unheard: a connection that is closed over unread
# bytes is reset, and the refusal lost.
_HEARD_OUT = 1.0

# A request of which nothing is known.
_UNKNOWN = {"path": "", "headers": ()}


class StrictProtocol(HttpToolsProtocol):
    """One connection that ends at its first request that is not well-formed HTTP/1.

    That one is answered in the one shape of all errors, after the answers that are due before it.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have nothing to say yet."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._last_word: bytes | None = None
        self._answered: RequestResponseCycle | None = None
        # Bytes since the parser last gave something that is used.
        self._unused = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered. uvicorn tells the last one, which may wait behind it."""
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what comes after a refusal is not looked at."""
        self._unset_keepalive_if_required()
        while data and self._last_word is None:
            data = self._parse(data)

    def on_headers_complete(self) -> None:
        """Begin to answer a request that is well-formed. What follows a chunked body, trailers, is not its headers."""
        self._unused = 0
        if self.parser.get_method() == b"CONNECT":
            raise _malformed("this is not a proxy; there is no CONNECT")
        # Without its upgrade, such a request comes here again.
        if not self.parser.should_upgrade():
            _check(self.parser.get_http_version(), self.url, self.headers)
            if len(self.pipeline) >= MAX_WAITING:
                raise _too_many_waiting()
            super().on_headers_complete()
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note of the request's end."""
        self._unused = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # uvicorn takes no note of it where the answer came before the body.
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Go on with the next request, or say the last word if it was waiting for this."""
        if self._last_word and not self.pipeline:
            self._say(self._last_word)
        elif not self.transport.is_closing():
            # uvicorn sets a timer here, at every answer. How long a connection may be idle is looked after elsewhere.
            self.server_state.total_requests += 1
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Let ``app`` answer, which can ask ``gone`` in the request's state whether anybody still wants it to."""
        self._answered = cycle
        cycle.scope["state"]["gone"] = self.transport.is_closing
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; return what is left where a request wants to go on in another protocol, which none does."""
        self._unused += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            head = self._head_without_upgrade()
            # The old one takes what comes now for the other protocol, or for what follows a last request.
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            return head + data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            # All that can go wrong in a callback is what it raises itself, and that uvicorn cannot read the target.
            known = error.__context__
            self._refuse(known if isinstance(known, RequestError) else _malformed("its target cannot be read"))
        except httptools.HttpParserError as error:
            self._refuse(_malformed(str(error)))
        else:
            if self._unused > MAX_HEAD:
                self._refuse(_too_large())
        return b""

    def _head_without_upgrade(self) -> bytes:
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([line, *fields, b"", b""])

    def _refuse(self, error: RequestError) -> None:
        cycle = self.cycle
        # A body is counted where it is read, which ends here; else this is not known to anybody yet.
        counted = cycle is not None and cycle.more_body and not self.pipeline
        identity = "-" if counted else self.app_state["observed"].refused(_UNKNOWN, error.status)
        self._last_word = as_http(error, identity, close=True)
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self._say(self._last_word)
        elif cycle.more_body and self.pipeline:
            self.pipeline.popleft()  # it is this one's body that went wrong, and others are before it
        elif cycle.more_body and cycle.response_started:
            self.transport.close()
        elif cycle.more_body:
            cycle.disconnected = True
            cycle.message_event.set()
            self._say(self._last_word)

    def _say(self, last_word: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(last_word)
            self.transport.write_eof()
            self.flow.resume_reading()
            self.loop.call_later(_HEARD_OUT, self.transport.close)


class _Flow(FlowControl):
    """Reads nothing more while ``waiting`` has requests; uvicorn reads on after every answer, and never has enough."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless there is enough to do."""
        if not self._waiting:
            super().resume_reading()


def _check(version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise ``RequestError`` for what httptools lets pass and others might read in another way."""
    if version not in {"1.0", "1.1"}:
        raise _malformed(f"HTTP/{version} is not spoken here, HTTP/1.1 and HTTP/1.0 are")
    names = [name for name, _ in headers]
    if len(names) > MAX_FIELDS or len(url) + sum([len(name) + len(value) for name, value in headers]) > MAX_HEAD:
        raise _too_large()
    if names.count(b"host") != 1 and (version == "1.1" or b"host" in names):
        raise _malformed("there must be exactly one Host header")
    if [name for name, value in headers if name == b"content-length" and len(value) > _MAX_DIGITS]:
        raise _malformed(f"its Content-Length has more than {_MAX_DIGITS} digits")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise _malformed('the only transfer coding is "chunked", once, in HTTP/1.1')


def _malformed(reason: str) -> RequestError:
    return RequestError("http_invalid", f"this is not a well-formed HTTP request: {reason}")


def _too_large() -> RequestError:
    reason = f"the request's line and headers may have {MAX_HEAD:,} bytes and {MAX_FIELDS} headers; send less"
    return RequestError("head_too_large", reason)


def _too_many_waiting() -> RequestError:
    reason = f"{MAX_WAITING} requests wait on this connection; read their answers first, or send a list of texts"
    return RequestError("pipeline_too_long", reason)
