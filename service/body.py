"""The request body: whole, within its limits and in time, or an error, before the app sees the request.

An ASGI server hands a body over in pieces, and tells of a client that went away in the middle in the same way as of
the end. Falcon's stream then just ends early, and a handler would answer for half a body.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.errors import RequestError

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

# A client that is refused in the middle of its sending mostly reads the answer only after its last byte. So up to
# this many times the limit is read and thrown away before the answer; who sends more finds the connection closed.
_DRAINED = 16


class WholeBody:
    """An ASGI wrapper that reads each request's body before it calls ``app``.

    More than ``max_bytes`` is answered 413; a body that is not whole after ``seconds`` 408. Both close the connection,
    as what is left of the body would be taken for the next request.
    """

    def __init__(self, app: ASGI, *, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(dict(scope["headers"]), receive)
        except RequestError as error:
            await _answer(error, send)
            return
        pieces = [body]

        async def receive_whole() -> Message:
            """Give the body in one piece, then what the server has to say."""
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            return await receive()

        await self._app(scope, receive_whole, send)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        declared = int(headers.get(b"content-length", b"0"))
        too_large = self._too_large(f"{declared:,}")
        if declared > self._max_bytes and b"expect" in headers:
            raise too_large  # the client waits for our word before it sends
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        pieces: list[bytes] = []
        size = 0
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise self._timed_out(size) from None
            if message["type"] == "http.disconnect":
                raise RequestError("body_incomplete", f"the connection closed after {size:,} bytes of the body")
            piece = message.get("body", b"")
            size += len(piece)
            if size <= self._max_bytes:
                pieces.append(piece)
            else:
                pieces.clear()
            if not message.get("more_body", False):
                break
            # Pieces that keep arriving keep the timeout above from ever firing.
            if loop.time() > deadline:
                raise self._timed_out(size)
            if size > _DRAINED * self._max_bytes:
                raise self._too_large(f"over {size:,}")
        if size > self._max_bytes:
            raise self._too_large(f"{size:,}")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _too_large(self, size: str) -> RequestError:
        reason = f"the body has {size} bytes; at most {self._max_bytes:,} are read; send fewer texts at a time"
        return RequestError("body_too_large", reason)

    def _timed_out(self, size: int) -> RequestError:
        return RequestError(
            "body_timeout", f"the body was not whole after {self._seconds:g} s; {size:,} bytes had come"
        )


async def _answer(error: RequestError, send: Send) -> None:
    body = error.body
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
