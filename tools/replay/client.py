"""Sends a request and parses the bytes that come back into responses."""

import base64
import re
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from tools.replay.exchange import TAG, Request

Address = tuple[str, int]
Json = dict[str, Any]

_SECONDS = 15.0
# Time for the service to notice that the held connections are closed.
_PAUSE = 0.3
_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")
_BODILESS = {204, 304}


def send(address: Address, request: Request) -> Json:
    """Return the ``answers``, the ``rest`` that is no response, and the ``end`` of the connection."""
    with ExitStack() as stack:
        for sent in request.held:
            connection = stack.enter_context(socket.create_connection(address, timeout=_SECONDS))
            connection.sendall(sent)
            connection.recv(1)
        connection = stack.enter_context(socket.create_connection(address, timeout=_SECONDS))
        received, end = _exchange(connection, request)
    if request.held:
        time.sleep(_PAUSE)
    answers, rest = parse(received, bodiless=request.bodiless, ended=True)
    return {"answers": answers, "rest": as_json(rest), "end": end}


def _exchange(connection: socket.socket, request: Request) -> tuple[bytes, str]:
    received, last = b"", len(request.steps) - 1
    try:
        for number, step in enumerate(request.steps):
            with suppress(BrokenPipeError, ConnectionResetError):  # a response may have arrived nevertheless
                connection.sendall(step.replace(TAG, _tag(received, request)) if TAG in step else step)
                if request.cut and number == last:
                    connection.shutdown(socket.SHUT_WR)
            while number == last or len(parse(received, bodiless=request.bodiless)[0]) <= number:
                piece = connection.recv(1 << 20)
                if not piece:
                    return received, "closed"
                received += piece
    except TimeoutError:
        return received, "open"
    except ConnectionResetError:
        return received, "reset"
    return received, "closed"


def _tag(received: bytes, request: Request) -> bytes:
    *_, last = parse(received, bodiless=request.bodiless)[0]
    tag: str = dict(last["headers"]).get("etag", "")
    return tag.encode()


def parse(received: bytes, *, bodiless: bool, ended: bool = False) -> tuple[list[Json], bytes]:
    """Return the complete responses at the start of ``received`` and the rest; ``ended``: the connection is closed."""
    answers = []
    while received.startswith(b"HTTP/") and b"\r\n\r\n" in received:
        top, _, after = received.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        headers = [[name, value.strip()] for name, _, value in (line.partition(":") for line in lines)]
        found = _body(status, headers, after, bodiless=bodiless, ended=ended)
        if found is None:
            break
        body, received = found
        answers.append({"status": status, "headers": headers, "body": as_json(body)})
    return answers, received


def _body(
    status: str, headers: Sequence[Sequence[str]], after: bytes, *, bodiless: bool, ended: bool
) -> tuple[bytes, bytes] | None:
    """Return the body of a response and the bytes after it; None if it is incomplete."""
    fields = {name.lower(): value for name, value in headers}
    number = int(status.split()[1])
    if bodiless or number < 200 or number in _BODILESS:
        return b"", after
    if fields.get("transfer-encoding") == "chunked":
        return _dechunked(after)
    if "content-length" in fields:
        length = int(fields["content-length"])
        return (after[:length], after[length:]) if length <= len(after) else None
    return (after, b"") if ended else None


def _dechunked(data: bytes) -> tuple[bytes, bytes] | None:
    """Return a chunked body, joined, and the bytes after it; None if it is incomplete."""
    body = b""
    while found := _CHUNK.match(data):
        size, start = int(found[1], 16), found.end()
        if len(data) < start + size + 2:
            return None
        body, data = body + data[start : start + size], data[start + size + 2 :]
        if not size:
            return body, data
    return None


def as_json(content: bytes) -> Json:
    """Return bytes as a JSON object: as text if they are UTF-8, else in base64."""
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def as_bytes(content: Json) -> bytes:
    """Return the bytes of an object of ``as_json``."""
    return base64.b64decode(content["base64"]) if "base64" in content else str(content["text"]).encode()
