"""Nobody gets in without a key, except where everybody may."""

from collections.abc import Mapping, Sequence
from typing import Any

from review_scorer.access.api_keys import ApiKeyStore
from review_scorer.telemetry.middleware import current


class ApiKeyAuth:
    """Lets those in who bring one of ``keys``; everybody where there are none.

    ``public_paths`` need none; one that ends in ``*`` stands for all that start like it.
    """

    def __init__(self, keys: ApiKeyStore | None, *, public_paths: Sequence[str]) -> None:
        self._keys = keys
        self._open = frozenset(path for path in public_paths if not path.endswith("*"))
        self._open_starts = tuple(path[:-1] for path in public_paths if path.endswith("*"))

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Read the keys anew; called by Falcon when the worker starts, after the fork."""
        if self._keys:
            self._keys.restart()

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise a ``RequestError`` for a request that may not ask for ``path``; else note whose key it brought."""
        name = self.admit(path, headers)
        if exchange := current.get():
            exchange.key = name

    def admit(self, path: str, headers: Mapping[bytes, bytes]) -> str | None:
        """Return the name of the key that a request for ``path`` brought, if it takes one; raise as ``check`` does."""
        if self._keys is None or path in self._open or path.startswith(self._open_starts):
            return None
        return self._keys.admit(headers.get(b"authorization"))
