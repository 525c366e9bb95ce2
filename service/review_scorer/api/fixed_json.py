"""Resource whose JSON answer never changes."""

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
import msgspec


class FixedJSON:
    """Answers ``GET`` with ``value``, which is encoded once. ``check``, if given, raises to answer an error instead."""

    def __init__(self, value: Any, check: Callable[[], None] | None = None) -> None:
        self._body = msgspec.json.encode(value)
        self._check = check

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer 200 with the JSON, or the error that ``check`` raises."""
        if self._check:
            self._check()
        response.data = self._body
        response.content_type = falcon.MEDIA_JSON
