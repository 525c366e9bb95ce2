"""Answers as they go over the wire, for those that do not go through the app."""

from collections.abc import Mapping
from http import HTTPStatus

from review_scorer.errors import RequestError
from review_scorer.server.headers import ALWAYS


def head(status: int, fields: Mapping[str, str]) -> bytes:
    """Return the status line and the headers, with those of every answer, without the empty line at their end."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name.lower()}: {value}" for name, value in fields.items()]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in ALWAYS]
    return "\r\n".join([*lines, ""]).encode()


def fields_of(error: RequestError, identity: str) -> dict[str, str]:
    """Return the headers of ``error`` as the answer to the request ``identity``."""
    fields = {"content-type": "application/json", "content-length": str(len(error.body))}
    return {**fields, **error.headers, "x-request-id": identity}


def as_http(error: RequestError, identity: str, *, close: bool = False) -> bytes:
    """Return the whole answer to the request ``identity``."""
    fields = fields_of(error, identity) | ({"connection": "close"} if close else {})
    return head(error.status, fields) + b"\r\n" + error.body
