"""Pages of other origins may ask this service, where they are named: Cross-Origin Resource Sharing.

Above all that refuses, so that a page can read every answer. Credentials that browsers add by themselves are not
allowed, as there are none; an API key is a header that the page must send.
Reference: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Collection, Iterable
from typing import Any

from review_scorer.asgi import ASGI, Receive, Scope, Send

_DAY = b"86400"


class CrossOrigin:
    """An ASGI wrapper that tells browsers that pages of ``origins`` may read the answers of ``app``.

    ``exposed`` are the names of the headers that a page may read besides the usual ones.
    """

    def __init__(self, app: ASGI, origins: Collection[str], *, exposed: Iterable[str]) -> None:
        self._app = app
        self._exposed = ", ".join(exposed).encode()
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it; a preflight at once."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = dict(scope["headers"])
        origin = asked.get(b"origin")
        # Caches must not give one origin's answer to another.
        headers = [(b"vary", b"Origin")]
        if origin in self._origins:
            headers += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", self._exposed)]
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in asked:
                wanted = asked.get(b"access-control-request-headers", b"")
                await _allow([*headers, (b"access-control-allow-headers", wanted)], send)
                return

        async def send_marked(message: dict[str, Any]) -> None:
            """Send ``message``, and with the start of an answer the headers."""
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, send_marked)


async def _allow(headers: list[tuple[bytes, bytes]], send: Send) -> None:
    headers += [(b"access-control-allow-methods", b"GET, POST"), (b"access-control-max-age", _DAY)]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
