"""Malformed HTTP: ambiguous requests are refused, and nothing after them on the connection is answered."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.running import Server, peak_memory, serving, wait_for_workers

REVIEW = b'{"texts":"a good"}'
NEXT = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path) -> Iterator[Server]:
    """A server with a short timeout, whose workers must survive all tests."""
    with serving(tiny_bundle, READ_BODY_TIMEOUT="0.5") as server:
        workers = wait_for_workers(server)
        yield server
        assert server.workers() == workers


def post(*fields: bytes, body: bytes = REVIEW, version: bytes = b"1.1") -> bytes:
    lines = [b"POST /api/1/scores HTTP/" + version, b"Host: x", *fields, b"", b""]
    return b"\r\n".join(lines) + body


def get(*fields: bytes, target: bytes = b"/healthz", method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"%s %s %s" % (method, target, version), b"Host: x", *fields, b"", b""])


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


def answers(server: Server, sent: bytes, *, cut: bool = False) -> bytes:
    """All bytes until the server closes the connection, which it must do."""
    with socket.create_connection(server.address, timeout=5) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        if cut:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


AMBIGUOUS = {
    "a length of letters": post(b"Content-Length: abc"),
    "a negative length": post(b"Content-Length: -1"),
    "a length with a sign": post(b"Content-Length: +18"),
    "a hexadecimal length": post(b"Content-Length: 0x12"),
    "a length in two words": post(b"Content-Length: 1 8"),
    "a length with an underscore": post(b"Content-Length: 1_8"),
    "a length in Arabic digits": post("Content-Length: ١٨".encode()),
    "a list of lengths": post(b"Content-Length: 18, 18"),
    "an empty length": post(b"Content-Length:"),
    "the same length twice": post(b"Content-Length: 18", b"Content-Length: 18"),
    "two lengths": post(b"Content-Length: 18", b"Content-Length: 5"),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999"),
    "a length with leading noughts without end": post(b"Content-Length: " + b"0" * 5_000 + b"18"),
    "a length, then chunks": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks, then a length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "an unknown coding before chunks": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "a coding after chunks": post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "chunks of chunks": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "two codings": post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two codings the other way": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunks after a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "chunks in quotes": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "chunks on a folded line": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"1.0"),
    "chunks in HTTP/1.0 with an upgrade": post(
        b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: h2c", body=b"0\r\n\r\n", version=b"1.0"
    ),
    "a chunk's size of letters": chunked(b"zz\r\nabc\r\n0\r\n\r\n"),
    "a chunk's size with a sign": chunked(b"-1\r\nabc\r\n0\r\n\r\n"),
    "a chunk's size with 0x": chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk's size with a space": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "a chunk's size beyond 64 bits": chunked(b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunked(b"3\r\nabcX0\r\n\r\n"),
    "a chunk's lines that end in bare LF": chunked(b"3\nabc\n0\n\n"),
    "a chunk's extension that ends in bare LF": chunked(b"12;a\n" + REVIEW + b"\r\n0\r\n\r\n"),
    "a length among the trailers": chunked(b"12\r\n" + REVIEW + b"\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "a space before a length's colon": post(b"Content-Length : 18"),
    "a tab before a length's colon": post(b"Content-Length\t: 18"),
    "a body of no length": post(),
    "lines that end in bare LF": get().replace(b"\r\n", b"\n"),
    "one line that ends in bare LF": b"GET /healthz HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
    "one line that ends in bare CR": b"GET /healthz HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n",
    "NUL in a header's value": get(b"X-A: a\0b"),
    "NUL in a header's name": get(b"X-\0A: b"),
    "NUL in the target": get(target=b"/a\0b"),
    "a control character in a header": get(b"X-A: a\x01b"),
    "a folded header": get(b"X-A: a", b" b"),
    "a folded first header": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    "a header without a colon": get(b"garbage"),
    "a header without a name": get(b": a"),
    "a header's name with a bracket": get(b"X(A: b"),
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": get(b"Host: y"),
    "bytes beyond ASCII in the target": get(target="/é".encode()),
    "no target": get(target=b""),
    "a query without a path": get(target=b"?texts=a"),
    "a port beyond all": get(target=b"http://x:99999999/healthz"),
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "HTTP/1.10": get(version=b"HTTP/1.10"),
    "HTTP/2.0": get(version=b"HTTP/2.0"),
    "HTTP/2 as it greets": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http in lower case": get(version=b"http/1.1"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "an unknown method": get(method=b"BREW"),
    "a method in lower case": get(method=b"get"),
    "CONNECT to another host": get(target=b"x:80", method=b"CONNECT"),
    "CONNECT to a path": get(method=b"CONNECT"),
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_answered(guarded: Server, sent: bytes) -> None:
    received = answers(guarded, sent + NEXT)
    head, _, body = received.rpartition(b"\r\n\r\n")
    assert statuses(received)[-1] == 400
    assert b"connection: close" in head
    assert b"libraries" not in received
    error = json.loads(body)["error"]
    assert error["code"] == "http_invalid"
    assert error["reason"].startswith("malformed HTTP request: ")
    # A body of no length is the next request, and that is the one that is refused.
    assert len(statuses(received)) == (2 if sent == post() else 1)


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_request_is_refused_after_the_responses_to_valid_ones(guarded: Server, sent: bytes) -> None:
    received = answers(guarded, get() + post(b"Content-Length: 18") + sent)
    assert statuses(received)[:2] == [200, 200]
    assert statuses(received)[-1] == 400
    assert received.index(b'"alive"') < received.index(b'"score"') < received.index(b'"http_invalid"')


ENDLESS = {
    "a giant header": get(b"X-A: " + b"a" * 200_000),
    "a giant header's name": get(b"a" * 200_000 + b": b"),
    "a header without end": get()[:-4] + b"\r\nX-A: " + b"a" * 10_000_000,
    "too many headers": get(*[b"X-%d: a" % number for number in range(101)]),
    "a giant target": get(target=b"/" + b"a" * 200_000),
    "a giant query": get(target=b"/api/1/scores?texts=" + b"a" * 3_000_000),
    "a chunk's extension without end": chunked(b"12;" + b"a" * 2_000_000),
    "trailers without end": chunked(b"12\r\n" + REVIEW + b"\r\n0\r\n" + b"X-A: b\r\n" * 100_000),
}


@pytest.mark.parametrize("sent", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_head_is_refused_and_the_client_reads_the_refusal(guarded: Server, sent: bytes) -> None:
    received = answers(guarded, sent)
    assert statuses(received) == [431]
    assert b'"head_too_large"' in received


def test_a_hundred_headers_are_accepted(guarded: Server) -> None:
    fields = [b"X-%d: a" % number for number in range(98)]
    assert statuses(answers(guarded, get(*fields, b"Connection: close"))) == [200]


@pytest.mark.parametrize("length", [b"9223372036854775807", b"18446744073709551615"])
def test_an_impossible_content_length_is_refused_at_once(guarded: Server, length: bytes) -> None:
    received = answers(guarded, post(b"Content-Length: " + length) + NEXT)
    assert statuses(received) == [413]
    assert b'"body_too_large"' in received


def test_an_impossible_chunk_size_times_out(guarded: Server) -> None:
    assert statuses(answers(guarded, chunked(b"ffffffffffffffff\r\nabc"))) == [408]


@pytest.mark.parametrize(
    "sent",
    [post(b"Content-Length: 1000"), chunked(b"12\r\n" + REVIEW), chunked(b"1000\r\n" + REVIEW), get()[:-2], b"GE"],
    ids=["of its length", "of its last chunk", "of a chunk", "of its head", "of its method"],
)
def test_a_truncated_request_gets_no_score(guarded: Server, sent: bytes) -> None:
    assert b"200 OK" not in answers(guarded, sent, cut=True)


def test_trailers_are_not_headers(guarded: Server) -> None:
    body = b"12\r\n" + REVIEW + b"\r\n0\r\nX-Request-Id: forged\r\nOrigin: forged\r\n\r\n"
    received = answers(guarded, chunked(body) + get(b"Connection: close"))
    assert statuses(received) == [200, 200]
    assert b"forged" not in received


UNUSUAL = {
    "HTTP/1.0 without a host": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    "HTTP/1.0 that wants to stay": (get(b"Connection: keep-alive", version=b"HTTP/1.0"), [200]),
    "a whole address as the target": (get(b"Connection: close", target=b"http://x/healthz"), [200]),
    "empty lines before a request": (b"\r\n\r\n" + get(b"Connection: close"), [200]),
    "a body where none is wanted": (
        get(b"Content-Length: 18")[:-2] + b"\r\n" + REVIEW + get(b"Connection: close"),
        [200] * 2,
    ),
    "the chunks in capitals": (
        post(b"Transfer-Encoding: CHUNKED", b"Connection: close", body=b"12;a=b\r\n" + REVIEW + b"\r\n0\r\n\r\n"),
        [200],
    ),
    "a method that no path has": (get(b"Connection: close", method=b"PROPFIND"), [405]),
    "TRACE, which would tell secrets back": (get(b"Connection: close", method=b"TRACE"), [405]),
    "OPTIONS of all": (get(b"Connection: close", target=b"*", method=b"OPTIONS"), [404]),
    "line ends in the path": (get(b"Connection: close", target=b"/a%0d%0aSet-Cookie:%20x"), [404]),
    "an expectation": (post(b"Expect: 100-continue", b"Content-Length: 18", b"Connection: close"), [100, 200]),
    "an expectation of nothing known": (post(b"Expect: tea", b"Content-Length: 18", b"Connection: close"), [200]),
    "what follows the last request": (get(b"Connection: close") + NEXT, [200]),
    "headers that are no text": (
        get(b"Connection: close", b"Accept: \xff;;q=z", b"If-None-Match: \xff", target=b"/"),
        [200],
    ),
}


@pytest.mark.parametrize(("sent", "expected"), UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_but_valid_requests_are_answered(guarded: Server, sent: bytes, expected: list[int]) -> None:
    received = answers(guarded, sent)
    assert statuses(received) == expected
    assert b"\r\nSet-Cookie" not in received


@pytest.mark.parametrize("wanted", [b"websocket", b"h2c"])
def test_a_request_to_upgrade_the_protocol_is_answered_without_upgrade(guarded: Server, wanted: bytes) -> None:
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + wanted, b"HTTP2-Settings: AA")
    asked = (
        get(*upgrade)
        + post(*upgrade, b"Content-Length: 18")
        + post(*upgrade, b"Transfer-Encoding: chunked", body=b"12\r\n" + REVIEW + b"\r\n0\r\n\r\n")
    )
    received = answers(guarded, asked + get(b"Connection: close, upgrade", b"Upgrade: " + wanted))
    assert statuses(received) == [200] * 4
    assert received.count(b'{"score":') == 2


def test_pipelined_requests_are_answered_in_order(guarded: Server) -> None:
    asked = [get(target=b"/nowhere/%d" % number) + post(b"Content-Length: 18") for number in range(20)]
    received = answers(guarded, b"".join(asked) + get(b"Connection: close"))
    assert statuses(received) == [404, 200] * 20 + [200]
    assert [int(number) for number in re.findall(rb"/nowhere/(\d+)", received)] == list(range(20))


def test_a_pipeline_that_is_too_long_is_refused_after_the_responses_due(guarded: Server) -> None:
    received = answers(guarded, post(b"Content-Length: 18") * 500)
    assert statuses(received) == [*[200] * 101, 429]
    assert b'"pipeline_too_long"' in received


def test_the_body_timeout_holds_for_a_pipelined_request_too(guarded: Server) -> None:
    one = post(b"Content-Length: 18")
    assert statuses(answers(guarded, one + one[:-18])) == [200, 408]


def test_pipelined_requests_do_not_fill_the_memory_of_the_server(guarded: Server) -> None:
    before = [peak_memory(worker) for worker in guarded.workers()]
    with socket.create_connection(guarded.address, timeout=1) as connection:
        deadline = time.monotonic() + 3
        # The client reads no response, so its connection is closed or it cannot send any more.
        with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            while time.monotonic() < deadline:
                connection.sendall(post(b"Content-Length: 18") * 50)
    assert all(peak_memory(worker) - past < 32 * 2**20 for worker, past in zip(guarded.workers(), before, strict=True))
