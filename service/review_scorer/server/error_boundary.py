"""Response to exceptions that the app's own error handlers do not see."""

import logging
from typing import Any

from review_scorer.asgi import ASGI, Receive, Scope, Send
from review_scorer.errors import internal
from review_scorer.server.body import answer

log = logging.getLogger(__name__)


class ErrorBoundary:
    """ASGI middleware that logs an exception raised by ``app``, and answers it with status 500."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_started(message: dict[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_started)
        except Exception:
            log.exception("request %s failed", scope["state"]["request_id"])
            if started:
                raise  # uvicorn closes the connection, so that half a response does not look complete
            await answer(internal(), scope["path"], send, close=True)
