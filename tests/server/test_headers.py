"""Headers that every response has, whichever part answers, and headers that none has."""

import socket
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

from tests.support.running import Server, serving

SCORES = "/api/1/scores"
EXPECTED = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"nobody:{'0' * 64}\n")
    opened = "/readyz / /page/* /docs/* /healthz /nowhere /api/1/users"
    with serving(tiny_bundle, API_KEYS_FILE=str(keys), PUBLIC_PATHS=opened, READ_BODY_TIMEOUT="0.3") as server:
        yield server


def ask(server: Server, request: str) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of the first response to these bytes."""
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65_536)
            assert piece, received
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    headers = BytesHeaderParser().parsebytes(fields)
    assert len(headers.keys()) == len(set(map(str.lower, headers.keys()))), "a header is repeated"
    return int(status.split()[1]), {name.lower(): value for name, value in headers.items()}, body


def post(path: str, body: str, *more: str) -> str:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *more, "", body])


ANSWERS = [
    pytest.param(post("/api/1/users", '{"texts": "a"}'), 200, id="score"),
    pytest.param("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, id="question"),
    pytest.param("GET /healthz HTTP/1.0\r\n\r\n", 200, id="HTTP/1.0"),
    pytest.param(post("/api/1/users", "{"), 400, id="bad body"),
    pytest.param(post("/api/1/users", '{"texts": "a"}')[:-1], 408, id="late body"),
    pytest.param("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, id="bad path"),
    pytest.param("PATCH /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405, id="bad method"),
    pytest.param(post(SCORES, '{"texts": "a"}'), 401, id="no key"),
    pytest.param(post("/api/1/users", " " * 2_000_000), 413, id="large body"),
    pytest.param("hello\r\n\r\n", 400, id="no HTTP"),
    pytest.param("GET / HTTP/9.9\r\n\r\n", 400, id="no such HTTP"),
    pytest.param("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\n", 400, id="two lengths"),
    pytest.param("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, id="bad chunk"),
]


@pytest.mark.parametrize(("request_", "status"), ANSWERS)
def test_every_response_has_the_headers_and_none_names_the_server_software(
    guarded: Server, request_: str, status: int
) -> None:
    answered, headers, body = ask(guarded, request_)
    assert answered == status
    assert headers.items() >= EXPECTED.items()
    assert headers["x-request-id"]
    assert "server" not in headers
    if status >= 400:
        assert headers["content-type"] == "application/json"
    said = (str(headers) + body.decode()).lower()
    assert [name for name in ("uvicorn", "gunicorn", "falcon", "python") if name in said] == []


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/docs/start.js"])
def test_a_page_has_its_own_security_policy(guarded: Server, path: str) -> None:
    _, headers, _ = ask(guarded, f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n")
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-cache"
    assert {name: headers[name] for name in ("referrer-policy", "x-content-type-options")} == {
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def test_bytes_that_are_not_http_get_an_error_in_the_usual_form(guarded: Server) -> None:
    _, headers, body = ask(guarded, "hello\r\n\r\n")
    assert body.startswith(b'{"error":{"code":"http_invalid","field":null,"reason":"malformed HTTP request: ')
    assert headers["connection"] == "close"
