"""Bodies of files: passed on piece by piece as they arrive, as long as they keep arriving.

Unlike ``WholeBody``, this reads no more than the app asks for, so rows that are not scored yet stay in the sender's
socket buffer, and memory use is constant. A client should read the response while it sends: it starts with the first
rows.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from review_scorer.asgi import ASGI, Message, Receive, Scope, Send
from review_scorer.capacity.admission import Admission
from review_scorer.errors import RequestError
from review_scorer.server.body import announced_size, answer, cut_off

# Bytes that a body must bring within each timeout: a body that drips holds its place for nothing.
_STEP = 65_536

# Bytes beyond the limit that are read and discarded, so that the client gets to read the refusal.
_DISCARDED = 16_777_216


class StreamedBody:
    """ASGI middleware that lets ``app`` read a body of up to ``max_bytes`` while it answers.

    ``seconds`` is the timeout for 64 KiB of the body; the time in which the app does not read is not counted. An
    invalid body raises a ``RequestError`` out of ``receive``. A response that no client reads is aborted.
    """

    def __init__(self, app: ASGI, admission: Admission, *, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._admission = admission
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        headers = dict(scope["headers"])
        disconnected = scope.get("state", {}).get("disconnected", lambda: False)
        upload = _Upload(
            receive,
            send,
            disconnected,
            max_bytes=self._max_bytes,
            seconds=self._seconds,
            awaits_continue=b"expect" in headers,
        )
        try:
            if refusal := self._admission.decide(work=0, path=scope["path"]):
                raise refusal
            upload.check_size(announced_size(b"", headers))
            await self._app(scope, upload.receive, upload.send)
        except RequestError as error:
            await answer(error, scope["path"], upload.send)
        except _DisconnectedError:
            # uvicorn reports an incomplete response as a bug unless it knows of the disconnect.
            while (await receive())["type"] != "http.disconnect":
                pass


class _DisconnectedError(Exception):
    """The client is gone; the rest of the response is not computed."""


class _Upload:
    """One body and its response. While the body is incomplete, the response closes the connection, and ends after it.

    ``awaits_continue`` says that the client sends nothing before 100 Continue, which the first ``receive`` sends.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        disconnected: Callable[[], bool],
        *,
        max_bytes: int,
        seconds: float,
        awaits_continue: bool,
    ) -> None:
        self._receive = receive
        self._send = send
        self._disconnected = disconnected
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._seconds_left = seconds
        self._step = 0
        self._size = 0
        # No more of the body is read: it is complete, cut off or too slow.
        self._ended = False
        self._awaits_continue = awaits_continue

    def check_size(self, size: int) -> None:
        """Raise a ``RequestError`` if ``size`` is more bytes than are read."""
        if size > self._max_bytes:
            reason = f"file of {size:,} bytes or more exceeds the limit of {self._max_bytes:,} bytes; send it in parts"
            raise RequestError("file_too_large", reason)

    async def receive(self) -> Message:
        """Return the next piece of the body; raise a ``RequestError`` if it is cut off, too slow or too long."""
        if self._ended:
            return await self._receive()
        self._awaits_continue = False
        message = await self._next()
        self.check_size(self._size)
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Send a part of the response; before its end, discard the rest of the body. Raises if the client is gone."""
        # A small file may inflate to hours of work.
        if message.get("more_body") and self._disconnected():
            raise _DisconnectedError
        if message["type"] == "http.response.start" and not self._ended:
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif message["type"] == "http.response.body" and not message.get("more_body") and not self._ended:
            await self._send({**message, "more_body": True})
            await self._discard()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _next(self) -> Message:
        clock = asyncio.get_running_loop().time
        start = clock()
        message: Message = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds_left):
                message = await self._receive()
        self._seconds_left -= clock() - start
        if message and message["type"] == "http.disconnect":
            self._ended = True
            raise cut_off(self._size)
        size = len(message.get("body", b""))
        self._size += size
        self._step += size
        if self._step >= _STEP:
            self._step, self._seconds_left = 0, self._seconds
        self._ended = bool(message) and not message.get("more_body", False)
        # The timeout above never fires while pieces keep arriving. And when it fires, the clock, which is rounded, may
        # still say that there is time left.
        if not message or (not self._ended and self._seconds_left <= 0):
            self._ended = True
            reason = f"less than {_STEP:,} bytes of the body in {self._seconds:g} s ({self._size:,} bytes received)"
            raise RequestError("body_timeout", reason)
        return message

    async def _discard(self) -> None:
        limit = self._max_bytes + _DISCARDED if not self._awaits_continue else -inf
        with suppress(RequestError):
            while not self._ended and self._size <= limit:
                await self._next()
