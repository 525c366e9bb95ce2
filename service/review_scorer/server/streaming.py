"""The body of a file: handed on piece by piece as it arrives, for as long as it moves.

Unlike ``WholeBody`` this reads no more than the app asks for, so what is not yet scored waits in the sender's socket,
and memory stays flat. A client should read its answer while it sends: the answer begins with the first rows.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from review_scorer.asgi import ASGI, Message, Receive, Scope, Send
from review_scorer.capacity.admission import Admission
from review_scorer.errors import RequestError, overloaded
from review_scorer.server.body import answer, size_of

# In each of its spans of time, a body must bring so many bytes: one that drips holds its place for nothing.
_STEP = 65_536

# Of what is refused, so many bytes beyond the limit are read and thrown away, so that the client gets to its answer.
_DRAINED = 16_777_216


class StreamedBody:
    """An ASGI wrapper that lets ``app`` read a body of up to ``max_bytes`` while it answers.

    ``seconds`` is how long 64 KiB of it may take, not counting the time in which nobody reads. What is wrong with a
    body is raised out of ``receive`` as a ``RequestError``. An answer that nobody is there to read is broken off.
    """

    def __init__(self, app: ASGI, admission: Admission, *, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._admission = admission
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        headers = dict(scope["headers"])
        gone = scope.get("state", {}).get("gone", lambda: False)
        upload = _Upload(receive, send, gone, most=self._max_bytes, seconds=self._seconds, waits=b"expect" in headers)
        try:
            if self._admission.refuses(scope["path"], 0):
                raise overloaded()
            upload.check_size(size_of(b"", headers))
            await self._app(scope, upload.receive, upload.send)
        except RequestError as error:
            await answer(error, scope["path"], upload.send)
        except _GoneError:
            # The server takes an answer without an end for a bug, unless it knows that the client went away.
            while (await receive())["type"] != "http.disconnect":
                pass


class _GoneError(Exception):
    """Nobody is there to read the answer."""


class _Upload:
    """One body and its answer. While the body is not whole, the answer closes the connection, and outlasts it."""

    def __init__(
        self, receive: Receive, send: Send, gone: Callable[[], bool], *, most: int, seconds: float, waits: bool
    ) -> None:
        self._receive = receive
        self._send = send
        self._gone = gone
        self._most = most
        self._seconds = seconds
        self._left = seconds
        self._step = 0
        self._size = 0
        # No more of the body comes: it was all, or the client went away, is too slow, or still waits for our word.
        self._over = False
        self._waits = waits

    def check_size(self, size: int) -> None:
        """Raise a ``RequestError`` for more bytes than are read."""
        if size > self._most:
            reason = f"the file has {size:,} bytes or more; at most {self._most:,} are read; send it in parts"
            raise RequestError("file_too_large", reason)

    async def receive(self) -> Message:
        """Return what comes next of the body; raise a ``RequestError`` where it is cut off, too slow or too long."""
        if self._over:
            return await self._receive()
        self._waits = False
        message = await self._next()
        self.check_size(self._size)
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Send the answer; before its end, throw away what is left of the body. Raises where nobody would read it."""
        # A small file may inflate to hours of work.
        if message.get("more_body") and self._gone():
            raise _GoneError
        if message["type"] == "http.response.start" and not self._over:
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif message["type"] == "http.response.body" and not message.get("more_body") and not self._over:
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _next(self) -> Message:
        clock = asyncio.get_running_loop().time
        began = clock()
        message: Message = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left):
                message = await self._receive()
        self._left -= clock() - began
        if message and message["type"] == "http.disconnect":
            self._over = True
            raise RequestError("body_incomplete", f"the connection closed after {self._size:,} bytes of the body")
        size = len(message.get("body", b""))
        self._size += size
        self._step += size
        if self._step >= _STEP:
            self._step, self._left = 0, self._seconds
        self._over = bool(message) and not message.get("more_body", False)
        # Pieces that keep arriving keep the timeout above from ever firing. And when it fires, the clock, which is
        # rounded, may still say that there is time left.
        if not message or (not self._over and self._left <= 0):
            self._over = True
            reason = f"the body brought less than {_STEP:,} bytes in {self._seconds:g} s; {self._size:,} had come"
            raise RequestError("body_timeout", reason)
        return message

    async def _drain(self) -> None:
        most = self._most + _DRAINED if not self._waits else -inf
        with suppress(RequestError):
            while not self._over and self._size <= most:
                await self._next()
