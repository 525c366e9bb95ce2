"""Requests as the bytes that are sent, and what makes such bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REVIEW = "店の人が親切で、また来たいと思いました。"
"""A text like any other."""

SMALL = json.dumps({"texts": REVIEW}).encode()
"""The body that most requests for a score have."""

CLOSE = b"Connection: close"
JSON = b"Content-Type: application/json"
TAG = b"<the tag>"
"""In a step, what stands for the ``ETag`` of the answer before it."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Bytes for one connection.

    Each of ``steps`` is sent once the answer to the one before it is there. Each of ``held`` is sent before, on a
    connection of its own, which is open until the end, and begun to be answered. ``cut``: nothing more will come after
    the last step, and the server is told so. ``store``: the bytes are for the Redis of the server.
    """

    name: str
    steps: tuple[bytes, ...]
    held: tuple[bytes, ...] = ()
    cut: bool = False
    store: bool = False

    @property
    def bodiless(self) -> bool:
        """Whether the answers have no body in any case."""
        return self.steps[0].startswith(b"HEAD ")


def named(sent: Mapping[str, bytes], prefix: str = "") -> list[Request]:
    """Return a request of one step for each of ``sent``, by its name."""
    return [Request(name=prefix + name, steps=(content,)) for name, content in sent.items()]


def head(method: str, target: str | bytes, *fields: bytes, version: bytes = b"1.1") -> bytes:
    """Return a request's line and headers, with a host, up to the empty line."""
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
    """Return a request with ``value`` as JSON, in ASCII alone if ``escaped``."""
    return post(target, json.dumps(value, ensure_ascii=escaped).encode(), JSON, *fields)


def chunks(*pieces: bytes) -> bytes:
    """Return a chunked body."""
    return b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]) + b"0\r\n\r\n"


def post_chunks(target: str | bytes, *pieces: bytes, fields: tuple[bytes, ...] = ()) -> bytes:
    """Return a request with a chunked body, the last on its connection."""
    return head("POST", target, *fields, b"Transfer-Encoding: chunked", CLOSE) + chunks(*pieces)
