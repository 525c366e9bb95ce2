"""API keys: who may ask, and how often.

A file has a key a line, ``name:sha256`` or ``name:sha256:requests a second``; blank lines and those that start with #
say nothing. Only digests are kept: secrets of 256 random bits need no slow hash. ``python -m
review_scorer.access.api_keys NAME`` makes a key. The file is looked at once a second, so that keys come and go without
a restart; one that turns bad changes nothing. Only a worker that starts while it is bad lets nobody in: it cannot know
which keys were withdrawn meanwhile.
"""

import argparse
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from review_scorer.access.rate_limits import RateLimiter
from review_scorer.errors import RequestError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class ApiKeysError(Exception):
    """A file of keys that cannot be used; the message names it, the line and what would be right, and never a key."""


class Key(NamedTuple):
    """Who may ask: ``digest`` is the secret's sha256, ``rate`` the requests a second, None for any number."""

    name: str
    digest: bytes
    rate: float | None


def read_keys(path: Path) -> list[Key]:
    """Return the keys in ``path``, one at least; raise ``ApiKeysError`` for the first line that cannot be used."""
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except OSError as error:
        raise ApiKeysError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ApiKeysError(f"{path} is not plain ASCII") from None
    keys: dict[str, Key] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            key = _parse(line, f"{path}, line {number}")
            if key.name in keys or key.digest in {other.digest for other in keys.values()}:
                raise ApiKeysError(f"{path}, line {number}: this name or this secret is there already")
            keys[key.name] = key
    if not keys:
        raise ApiKeysError(f"{path} has no key; python -m review_scorer.access.api_keys NAME makes one")
    return list(keys.values())


def _parse(line: str, where: str) -> Key:
    name, digest, rate, *more = [*line.split(":"), "", ""]
    if not _NAME.fullmatch(name):
        raise ApiKeysError(
            f"{where}: wanted name:sha256, the name of 1 to 64 letters, digits, dots, dashes or underlines"
        )
    if not _DIGEST.fullmatch(digest):
        raise ApiKeysError(f"{where}: wanted the secret's sha256 after the name, 64 hexadecimal digits")
    if (rate and not (_RATE.fullmatch(rate) and float(rate))) or any(more):
        raise ApiKeysError(f"{where}: wanted nothing after the sha256, or :requests a second, a number above 0")
    return Key(name, bytes.fromhex(digest), float(rate) if rate else None)


class ApiKeyStore:
    """The keys of one file, as it is now. Raises ``ApiKeysError`` when it cannot be used from the start."""

    def __init__(self, path: Path, limits: RateLimiter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._limits = limits
        self._clock = clock
        self._stamp: object = self._look()
        self._take_up(read_keys(path))
        self._next_look = clock() + _LOOK_SECONDS

    def restart(self) -> None:
        """Forget what was read before the fork, and read again: since then keys may have been withdrawn."""
        self._keys: Sequence[tuple[Key, int]] = ()
        self._stamp = object()
        self._next_look = 0.0
        self._refresh()

    def admit(self, authorization: bytes | None) -> str:
        """Return the name of the key in an ``Authorization`` header; raise a ``RequestError`` if it may not ask now."""
        self._refresh()
        scheme, _, secret = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(secret.strip()).digest()
        found = None
        # All are compared, each in constant time: how long it takes tells nothing.
        for candidate in self._keys:
            if hmac.compare_digest(candidate[0].digest, digest):
                found = candidate
        if found is None or scheme.lower() != b"bearer":
            reason = "an API key is wanted: Authorization: Bearer …"
            raise RequestError("unauthorized", reason, headers={"WWW-Authenticate": "Bearer"})
        key, place = found
        if key.rate and (wait := self._limits.wait(place, key.rate)):
            reason = f"this key may ask {key.rate:g} times a second; ask again in {wait:.3g} s"
            raise RequestError("rate_limited", reason, headers={"Retry-After": str(math.ceil(wait))})
        return key.name

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take_up(read_keys(self._path))
        except ApiKeysError as error:
            then = "the keys of before stay" if self._keys else "nobody is let in until it is mended"
            log.error("%s; %s", error, then)  # noqa: TRY400 - a line, no trace
        else:
            log.info("%d API keys taken up from %s", len(self._keys), self._path)

    def _take_up(self, keys: Sequence[Key]) -> None:
        self._keys = [(key, self._limits.place(key.digest)) for key in keys]

    def _look(self) -> object:
        """Return what changes with the file; through symbolic links, as Kubernetes swaps those."""
        try:
            found = os.stat(self._path)  # noqa: PTH116
        except OSError as error:
            return error.errno
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a key: its line goes to standard output, its secret to standard error."""
    parser = argparse.ArgumentParser(prog="python -m review_scorer.access.api_keys", description="Make an API key.")
    parser.add_argument("name", help="of whom it is for; it stands in the log")
    parser.add_argument("--rate", default="", metavar="N", help="requests a second (default: any number)")
    options = parser.parse_args(arguments)
    secret = secrets.token_urlsafe(32)
    line = ":".join([options.name, hashlib.sha256(secret.encode()).hexdigest(), *filter(None, [options.rate])])
    try:
        _parse(line, "this key")
    except ApiKeysError as error:
        parser.error(str(error))
    print(f"the secret, shown only now: {secret}\nthe line for SCORER_API_KEYS_FILE:", file=sys.stderr)
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
