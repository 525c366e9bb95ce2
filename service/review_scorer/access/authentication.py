"""Checks API keys on all paths except the public ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from review_scorer.access.api_keys import ApiKeyStore
from review_scorer.telemetry.middleware import RequestContext, current_request


class ApiKeyAuth:
    """Requires one of ``keys``, or nothing if there are no keys.

    ``public_paths`` are open; one that ends in ``*`` stands for all paths with that prefix.
    """

    def __init__(self, keys: ApiKeyStore | None, *, public_paths: Sequence[str]) -> None:
        self._keys = keys
        self._public = frozenset(path for path in public_paths if not path.endswith("*"))
        self._public_prefixes = tuple(path[:-1] for path in public_paths if path.endswith("*"))

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Read the keys anew; called by Falcon when the worker starts, after the fork."""
        if self._keys:
            self._keys.restart()

    def authenticate(self, path: str, headers: Mapping[bytes, bytes], context: RequestContext | None = None) -> None:
        """Raise a ``RequestError`` unless a request with these headers may use ``path``.

        Store the name of its key in ``context``, which is the current request by default.
        """
        if self._keys is None or path in self._public or path.startswith(self._public_prefixes):
            return
        name = self._keys.authenticate(headers.get(b"authorization"))
        if context := context or current_request.get():
            context.key = name
