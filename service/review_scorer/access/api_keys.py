"""API keys and the file that they are read from.

The file has one key per line, ``name:sha256`` or ``name:sha256:requests per second``; blank lines and lines that start
with # are ignored. Only digests are stored: secrets of 256 random bits need no slow hash. ``python -m
review_scorer.access.api_keys NAME`` makes a key. The file is checked for changes once a second, so that keys can be
added and withdrawn without a restart. A file that becomes invalid changes nothing, except for a worker that starts
meanwhile: it refuses all keys, as it cannot know which were withdrawn.
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

_CHECK_SECONDS = 1.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class ApiKeysError(Exception):
    """An invalid file of keys; the message names the file, the line and the right form, and never shows a key."""


class Key(NamedTuple):
    """One API key: ``digest`` is the SHA-256 of the secret; ``rate`` is in requests per second, None is unlimited."""

    name: str
    digest: bytes
    rate: float | None


def read_keys(path: Path) -> list[Key]:
    """Return the keys in ``path``, at least one; raise ``ApiKeysError`` for the first invalid line."""
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
                raise ApiKeysError(f"{path}, line {number}: this name or secret is used by an earlier line")
            keys[key.name] = key
    if not keys:
        raise ApiKeysError(f"{path} has no key; make one with python -m review_scorer.access.api_keys NAME")
    return list(keys.values())


def _parse(line: str, where: str) -> Key:
    name, digest, rate, *more = [*line.split(":"), "", ""]
    if not _NAME.fullmatch(name):
        raise ApiKeysError(
            f"{where}: expected name:sha256, with a name of 1 to 64 letters, digits, dots, hyphens or underscores"
        )
    if not _DIGEST.fullmatch(digest):
        raise ApiKeysError(f"{where}: expected the SHA-256 of the secret after the name (64 hex digits)")
    if (rate and not (_RATE.fullmatch(rate) and float(rate))) or any(more):
        raise ApiKeysError(
            f"{where}: expected nothing after the SHA-256, or a colon and the requests per second, above 0"
        )
    return Key(name, bytes.fromhex(digest), float(rate) if rate else None)


class ApiKeyStore:
    """The keys of the file ``path`` in its present state. Raises ``ApiKeysError`` if it is invalid at the start."""

    def __init__(self, path: Path, limiter: RateLimiter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._limiter = limiter
        self._clock = clock
        self._stamp: object = self._file_stamp()
        self._use(read_keys(path))
        self._next_check = clock() + _CHECK_SECONDS

    def restart(self) -> None:
        """Discard the keys that were read before the fork, and read the file again: keys may have been withdrawn."""
        self._keys: Sequence[tuple[Key, int]] = ()
        self._stamp = object()
        self._next_check = 0.0
        self._refresh()

    def authenticate(self, authorization: bytes | None) -> str:
        """Return the name of the key in an ``Authorization`` header.

        Raises a ``RequestError`` if the key is missing or unknown, or its rate limit is exceeded.
        """
        self._refresh()
        scheme, _, secret = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(secret.strip()).digest()
        found = None
        # All keys are compared, each in constant time, so that the duration reveals nothing.
        for candidate in self._keys:
            if hmac.compare_digest(candidate[0].digest, digest):
                found = candidate
        if found is None or scheme.lower() != b"bearer":
            reason = "an API key is required: Authorization: Bearer …"
            raise RequestError("unauthorized", reason, headers={"WWW-Authenticate": "Bearer"})
        key, slot = found
        if key.rate and (wait := self._limiter.acquire(slot, key.rate)):
            seconds = math.ceil(wait)
            reason = f"rate limit of {key.rate:g} requests per second exceeded; retry in {seconds} s"
            raise RequestError("rate_limited", reason, headers={"Retry-After": str(seconds)})
        return key.name

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_check:
            return
        self._next_check = now + _CHECK_SECONDS
        stamp = self._file_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._use(read_keys(self._path))
        except ApiKeysError as error:
            effect = "still using the previous keys" if self._keys else "refusing all keys until the file is valid"
            log.error("%s; %s", error, effect)  # noqa: TRY400 - the stack trace adds nothing
        else:
            log.info("read %d API keys from %s", len(self._keys), self._path)

    def _use(self, keys: Sequence[Key]) -> None:
        self._keys = [(key, self._limiter.slot(key.digest)) for key in keys]

    def _file_stamp(self) -> object:
        """Return a value that changes with the file; symbolic links are followed, as Kubernetes replaces those."""
        try:
            found = os.stat(self._path)  # noqa: PTH116
        except OSError as error:
            return error.errno
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a key: print its line to standard output and its secret to standard error."""
    parser = argparse.ArgumentParser(prog="python -m review_scorer.access.api_keys", description="Make an API key.")
    parser.add_argument("name", help="the name of the key, which appears in the log")
    parser.add_argument("--rate", default="", metavar="N", help="requests per second (default: unlimited)")
    options = parser.parse_args(arguments)
    secret = secrets.token_urlsafe(32)
    line = ":".join([options.name, hashlib.sha256(secret.encode()).hexdigest(), *filter(None, [options.rate])])
    try:
        _parse(line, "invalid key")
    except ApiKeysError as error:
        parser.error(str(error))
    print(f"secret, shown only once: {secret}\nline for SCORER_API_KEYS_FILE:", file=sys.stderr)
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
