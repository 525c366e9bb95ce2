"""The request body: whole, within its limits and in time, or an error, before the app sees the request.

An ASGI server hands a body over in pieces, and tells of a client that went away in the middle in the same way as of
the end. Falcon's stream then just ends early, and a handler would answer for half a body. Here is also where a request
is turned away when there is too much to do, as its body may then stay unread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from review_scorer.asgi import ASGI, Message, Receive, Scope, Send
from review_scorer.capacity.admission import Admission
from review_scorer.errors import RequestError, overloaded

Guard = Callable[[str, Mapping[bytes, bytes]], None]

# A client that is refused in the middle of its sending mostly reads the answer only after its last byte. So up to
# this many times the limit is read and thrown away before the connection closes; who sends more may see it break.
_DRAINED = 16

# All bodies that are arriving at a time may take this many times the limit of one: slow senders of large ones could
# fill the memory else.
_HELD = 64

# The server swallows the rest of so small a body by itself, and the connection stays usable.
SMALL_BODY = 65_536


class WholeBody:
    """An ASGI wrapper that reads each request's body before it calls ``app``.

    What ``guard`` raises for a path and its headers is answered before the body is read. What ``admission`` turns away
    is answered 503, before its body is read or after. More than ``max_bytes`` is answered
    413; a body that is not whole after ``seconds`` 408. Where some of the body may be left the connection is closed,
    as the rest would be taken for the next request. Requests for a path of
    ``streamed`` are that app's business alone.
    """

    def __init__(
        self,
        app: ASGI,
        admission: Admission,
        *,
        max_bytes: int,
        seconds: float,
        guard: Guard,
        streamed: Mapping[str, ASGI] | None = None,
    ) -> None:
        self._app = app
        self._admission = admission
        self._guard = guard
        self._streamed = streamed or {}
        self._max_bytes = max_bytes
        self._seconds = seconds
        # Never raised: each time would add to its traceback, which keeps alive all that it passed.
        self._overloaded = overloaded()
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = scope["path"], dict(scope["headers"])
        try:
            self._guard(path, headers)
        except RequestError as error:
            await self._turn_away(error, path, headers, receive, send)
            return
        if path in self._streamed:
            await self._streamed[path](scope, receive, send)
            return
        if self._admission.refuses(path, size_of(scope["query_string"], headers)):
            await self._turn_away(self._overloaded, path, headers, receive, send)
            return
        try:
            body = await self._read(headers, receive)
        except RequestError as error:
            if error.code == self._overloaded.code:
                await self._turn_away(error, path, headers, receive, send)
            else:
                await answer(error, path, send, close=True)
            return
        # Others may have come while it arrived.
        if self._admission.refuses(path, len(body)):
            await answer(self._overloaded, path, send)
            return
        pieces = [body]

        async def receive_whole() -> Message:
            """Give the body in one piece, then what the server has to say."""
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            return await receive()

        await self._app(scope, receive_whole, send)

    async def _turn_away(
        self, error: RequestError, path: str, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Answer at once; what is too much to swallow is drained after it, so that the client gets to read it."""
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
        # Either the client waits for our word before it sends, or there is no hope to drain it all.
        if declared > self._max_bytes and (b"expect" in headers or declared > _DRAINED * self._max_bytes):
            raise self._too_large(f"{declared:,}")
        pieces: list[bytes] = []
        size = held = 0
        try:
            async for piece in self._pieces(receive):
                size += len(piece)
                if size > self._max_bytes:
                    pieces.clear()
                    continue
                pieces.append(piece)
                held += len(piece)
                self._held += len(piece)
                if self._held > _HELD * self._max_bytes:
                    raise self._admission.refusal()
        finally:
            self._held -= held
        if size > self._max_bytes:
            raise self._too_large(f"{size:,}")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; raise for one that is cut off, late, or too long even to be thrown away."""
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
                raise RequestError("body_incomplete", f"the connection closed after {size:,} bytes of the body")
            piece = message.get("body", b"")
            size += len(piece)
            more = message.get("more_body", False)
            # Pieces that keep arriving keep the timeout above from ever firing.
            if more and loop.time() > deadline:
                raise self._timed_out(size)
            if more and size > _DRAINED * self._max_bytes:
                raise self._too_large(f"over {size:,}")
            yield piece

    def _too_large(self, size: str) -> RequestError:
        reason = f"the body has {size} bytes; at most {self._max_bytes:,} are read; send fewer texts at a time"
        return RequestError("body_too_large", reason)

    def _timed_out(self, size: int) -> RequestError:
        return RequestError(
            "body_timeout", f"the body was not whole after {self._seconds:g} s; {size:,} bytes had come"
        )


def size_of(query: bytes, headers: Mapping[bytes, bytes]) -> int:
    """Return how many bytes a request announces."""
    return max(len(query), int(headers.get(b"content-length", b"0")))


async def answer(error: RequestError, path: str, send: Send, *, close: bool = False, end: bool = True) -> None:
    """Send ``error`` as the answer to a request for ``path``, or its beginning; ``close``: it is the last here."""
    body = error.body_for(path)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    if close:
        headers["connection"] = "close"
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": not end})
