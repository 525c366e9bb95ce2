"""Request bodies: complete, within their limits and in time before the app sees the request, or answered with an error.

An ASGI server hands over a body in pieces, and reports a client that disconnects in the middle in the same way as the
end. Falcon's stream then just ends early, and a handler would answer half a body. Requests are also authenticated and
refused for overload here, as their bodies may then stay unread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from review_scorer.asgi import ASGI, Message, Receive, Scope, Send
from review_scorer.capacity.admission import BYTES_PER_TEXT, Admission
from review_scorer.errors import RequestError, error_response

Authenticate = Callable[[str, Mapping[bytes, bytes]], None]

# Most clients read the response to a refused request only after they have sent the whole body. So up to this many times
# the limit is read and discarded before the connection closes; a client that sends more may see a reset connection.
_DISCARDED_BODIES = 16

# All bodies that are arriving may take this many times the limit of one: otherwise slow senders of large bodies could
# fill the memory.
_BUFFERED_BODIES = 64

# The server discards the rest of a body up to this size by itself, and the connection stays usable.
SMALL_BODY = 65_536


class WholeBody:
    """ASGI middleware that reads the body of each request before it calls ``app``.

    An error raised by ``authenticate`` for a path and its headers is answered before the body is read; a refusal of
    ``admission``, before or after. A body of more than ``max_bytes`` is answered with 413; one that is incomplete after
    ``seconds``, with 408. The connection is closed if a part of the body may be left, as that would be taken for the
    next request. ``streamed`` maps paths to the apps that read their bodies themselves.
    """

    def __init__(
        self,
        app: ASGI,
        admission: Admission,
        *,
        max_bytes: int,
        seconds: float,
        authenticate: Authenticate,
        streamed: Mapping[str, ASGI] | None = None,
    ) -> None:
        self._app = app
        self._admission = admission
        self._authenticate = authenticate
        self._streamed = streamed or {}
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = scope["path"], dict(scope["headers"])
        try:
            self._authenticate(path, headers)
        except RequestError as error:
            await self._answer_early(error, path, headers, receive, send)
            return
        if path in self._streamed:
            await self._streamed[path](scope, receive, send)
            return
        work = announced_size(scope["query_string"], headers) // BYTES_PER_TEXT
        if refusal := self._admission.decide(work=work, path=path):
            await self._answer_early(refusal, path, headers, receive, send)
            return
        try:
            body = await self._read(headers, receive)
        except RequestError as error:
            if error.code == "overloaded":
                await self._answer_early(error, path, headers, receive, send)
            else:
                await answer(error, path, send, close=True)
            return
        # Other requests may have been accepted while the body arrived.
        if refusal := self._admission.decide(work=len(body) // BYTES_PER_TEXT, path=path):
            await answer(refusal, path, send)
            return
        pieces = [body]

        async def receive_whole() -> Message:
            """Return the body in one piece, then the messages of the server."""
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            return await receive()

        await self._app(scope, receive_whole, send)

    async def _answer_early(
        self, error: RequestError, path: str, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Answer before the body was read; then discard a large body, so that the client gets to read the response."""
        left = int(headers.get(b"content-length", b"0"))
        if left <= SMALL_BODY and b"transfer-encoding" not in headers:
            await answer(error, path, send)
            return
        await answer(error, path, send, close=True, end=False)
        if b"expect" not in headers:
            with suppress(RequestError):
                async for _ in self._pieces(receive):
                    pass
        await send({"type": "http.response.body", "body": b""})

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        declared = int(headers.get(b"content-length", b"0"))
        # Either the client waits for 100 Continue before it sends, or the body is too long to be discarded.
        if declared > self._max_bytes and (b"expect" in headers or declared > _DISCARDED_BODIES * self._max_bytes):
            raise self._too_large(f"{declared:,}")
        pieces: list[bytes] = []
        size = buffered = 0
        try:
            async for piece in self._pieces(receive):
                size += len(piece)
                if size > self._max_bytes:
                    pieces.clear()
                    continue
                pieces.append(piece)
                buffered += len(piece)
                self._buffered += len(piece)
                if self._buffered > _BUFFERED_BODIES * self._max_bytes and (
                    refusal := self._admission.decide(at_limit=True)
                ):
                    raise refusal
        finally:
            self._buffered -= buffered
        if size > self._max_bytes:
            raise self._too_large(f"{size:,}")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; raise for one that is cut off, late, or too long even to be discarded."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        size = 0
        more = True
        while more:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise self._timed_out(size) from None
            if message["type"] == "http.disconnect":
                raise cut_off(size)
            piece = message.get("body", b"")
            size += len(piece)
            more = message.get("more_body", False)
            # The timeout above never fires while pieces keep arriving.
            if more and loop.time() > deadline:
                raise self._timed_out(size)
            if more and size > _DISCARDED_BODIES * self._max_bytes:
                raise self._too_large(f"more than {size:,}")
            yield piece

    def _too_large(self, size: str) -> RequestError:
        limit = f"the limit of {self._max_bytes:,} bytes"
        return RequestError("body_too_large", f"request body of {size} bytes exceeds {limit}; send fewer texts")

    def _timed_out(self, size: int) -> RequestError:
        reason = f"request body incomplete after {self._seconds:g} s ({size:,} bytes received)"
        return RequestError("body_timeout", reason)


def cut_off(size: int) -> RequestError:
    """Return the error for a connection that was closed after ``size`` bytes of the body."""
    return RequestError("body_incomplete", f"connection closed before the end of the body ({size:,} bytes received)")


def announced_size(query: bytes, headers: Mapping[bytes, bytes]) -> int:
    """Return the bytes that a request announces: those of its query or of its body."""
    return max(len(query), int(headers.get(b"content-length", b"0")))


async def answer(error: RequestError, path: str, send: Send, *, close: bool = False, end: bool = True) -> None:
    """Send ``error`` as the response to a request for ``path``; without ``end``, leave the response open.

    ``close`` closes the connection after the response.
    """
    status, headers, body = error_response(error, path, close=close)
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": not end})
