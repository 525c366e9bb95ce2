"""Headers that every response has, whichever part answers: the request id and the security headers."""

from collections.abc import Iterable
from typing import Any

from review_scorer.asgi import ASGI, Receive, Scope, Send

# Of https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html: browsers must not sniff, frame, run
# or embed a response, and caches must not store it. The responses with pages set headers of their own.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

_NAMES = frozenset(name for name, _ in SECURITY_HEADERS)

Pairs = Iterable[tuple[bytes, bytes]]


def complete(headers: Pairs, request_id: str) -> list[tuple[bytes, bytes]]:
    """Return ``headers``, whose names are in lower case, with the security headers they lack and the request id."""
    own = list(headers)
    present = _NAMES.intersection([name for name, _ in own])
    missing = [pair for pair in SECURITY_HEADERS if pair[0] not in present] if present else SECURITY_HEADERS
    return [*own, *missing, (b"x-request-id", request_id.encode())]


class ResponseHeaders:
    """ASGI middleware that completes the headers of each response.

    The request id is read from ``scope["state"]["request_id"]``.
    """

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_complete(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = complete(message["headers"], scope["state"]["request_id"])
            await send(message)

        await self._app(scope, receive, send_complete)
