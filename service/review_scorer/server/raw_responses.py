"""Responses as bytes, for those that are written to the socket without the app."""

from collections.abc import Mapping
from http import HTTPStatus

from review_scorer.errors import RequestError, error_response
from review_scorer.server.headers import complete


def response_head(status: int, headers: Mapping[str, str], request_id: str) -> bytes:
    """Return status line and headers, with those that every response has, without the empty line that ends them."""
    pairs = complete([(name.lower().encode(), value.encode()) for name, value in headers.items()], request_id)
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + b"".join([b"%b: %b\r\n" % pair for pair in pairs])


def error_bytes(error: RequestError, request_id: str, *, close: bool = False) -> bytes:
    """Return the whole response for ``error``, in the form of the paths outside ``/v2``."""
    status, headers, body = error_response(error, "", close=close)
    return response_head(status, headers, request_id) + b"\r\n" + body
