"""Cross-origin resource sharing: lets pages of configured origins call the service from a browser.

This middleware is outside of everything that refuses requests, so that a page can read every response. Credentials
that browsers add by themselves are not allowed, as the service has none; an API key is a header that the page sends.
Reference: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Collection, Iterable
from typing import Any

from review_scorer.asgi import ASGI, Receive, Scope, Send

_DAY = b"86400"


class CrossOrigin:
    """ASGI middleware that lets pages of ``origins`` read the responses of ``app``.

    ``exposed`` are the names of the headers that a page may read in addition to the safelisted ones.
    """

    def __init__(self, app: ASGI, origins: Collection[str], *, exposed: Iterable[str]) -> None:
        self._app = app
        self._exposed = ", ".join(exposed).encode()
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope; answer a preflight request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        requested = dict(scope["headers"])
        origin = requested.get(b"origin")
        # Without Vary, a cache could serve one origin's response to another.
        headers = [(b"vary", b"Origin")]
        if origin in self._origins:
            headers += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", self._exposed)]
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in requested:
                names = requested.get(b"access-control-request-headers", b"")
                await _answer_preflight([*headers, (b"access-control-allow-headers", names)], send)
                return

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _answer_preflight(headers: list[tuple[bytes, bytes]], send: Send) -> None:
    headers += [(b"access-control-allow-methods", b"GET, POST"), (b"access-control-max-age", _DAY)]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
