"""Requests as bytes, and functions that build them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REVIEW = "店の人が親切で、また来たいと思いました。"
"""A usual review."""

SMALL = json.dumps({"texts": REVIEW}).encode()
"""The body of most requests for a score."""

CLOSE = b"Connection: close"
JSON = b"Content-Type: application/json"
TAG = b"<the tag>"
"""Placeholder in a step for the ``ETag`` of the previous response."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Bytes for one connection.

    Each of ``steps`` is sent after the response to the previous one. Each of ``held`` is sent first, on its own
    connection, which stays open until the end; its response must have begun. With ``cut`` the sending side is shut down
    after the last step. With ``store`` the bytes go to the Redis of the server.
    """

    name: str
    steps: tuple[bytes, ...]
    held: tuple[bytes, ...] = ()
    cut: bool = False
    store: bool = False

    @property
    def bodiless(self) -> bool:
        """Whether responses never have a body (HEAD)."""
        return self.steps[0].startswith(b"HEAD ")


def named(sent: Mapping[str, bytes], prefix: str = "") -> list[Request]:
    """Return a request with one step for each of ``sent``."""
    return [Request(name=prefix + name, steps=(content,)) for name, content in sent.items()]


def head(method: str, target: str | bytes, *fields: bytes, version: bytes = b"1.1") -> bytes:
    """Return a request line and headers, with a host, up to the empty line."""
    place = target.encode() if isinstance(target, str) else target
    lines = [b"%s %s HTTP/%s" % (method.encode(), place, version), b"Host: x", *fields, b"", b""]
    return b"\r\n".join(lines)


def get(target: str | bytes, *fields: bytes, method: str = "GET") -> bytes:
    """Return a request without a body, the last on its connection."""
    return head(method, target, *fields, CLOSE)


def post(target: str | bytes, body: bytes, *fields: bytes, method: str = "POST", last: bool = True) -> bytes:
    """Return a request with a body of its length, by default the last on its connection."""
    closing = (CLOSE,) if last else ()
    return head(method, target, *fields, b"Content-Length: %d" % len(body), *closing) + body


def post_json(target: str | bytes, value: Any, *fields: bytes, escaped: bool = False) -> bytes:
    """Return a request with ``value`` as JSON, in pure ASCII if ``escaped``."""
    return post(target, json.dumps(value, ensure_ascii=escaped).encode(), JSON, *fields)


def chunks(*pieces: bytes) -> bytes:
    """Return a chunked body."""
    return b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]) + b"0\r\n\r\n"


def post_chunks(target: str | bytes, *pieces: bytes, fields: tuple[bytes, ...] = ()) -> bytes:
    """Return a request with a chunked body, the last on its connection."""
    return head("POST", target, *fields, b"Transfer-Encoding: chunked", CLOSE) + chunks(*pieces)
