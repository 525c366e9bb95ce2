"""Slow clients lose their connection, and do not delay others."""

import json
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.running import Server, serving

BODY = json.dumps({"texts": ["良い宿"] * 500, "detail": True}).encode()
HEAD = b"POST /api/1/scores HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def brisk(tiny_bundle: Path) -> Iterator[Server]:
    """A server with short timeouts and few connections."""
    settings = {
        "READ_HEADER_TIMEOUT": "0.5",
        "READ_BODY_TIMEOUT": "0.5",
        "WRITE_TIMEOUT": "0.5",
        "KEEPALIVE_SECONDS": "2",
    }
    with serving(tiny_bundle, MAX_CONNECTIONS="20", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tiny_bundle: Path) -> Iterator[Server]:
    """A server with few connections and the default timeouts."""
    with serving(tiny_bundle, WORKERS="1", MAX_CONNECTIONS="20") as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(server.address, timeout=5)


def ask(connection: socket.socket) -> None:
    """Request the health, and read the whole response."""
    connection.sendall(HEALTH)
    answer = b""
    while not answer.endswith(b'{"status":"alive"}'):
        answer += connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 ")


def seconds_until_closed(connection: socket.socket, drip: bytes = b"") -> float:
    """The seconds until the server closes the connection, on which a byte of ``drip`` is sent every 50 ms."""
    started = time.monotonic()
    connection.settimeout(0.05)
    for at in range(100):
        try:
            if not connection.recv(65_536):
                break
        except TimeoutError:
            pass
        except ConnectionResetError:  # closed with an unread byte of the drip
            break
        with suppress(OSError):
            connection.sendall(drip[at : at + 1])
    else:
        raise AssertionError("the connection was not closed")
    return time.monotonic() - started


def send_for_ever(connection: socket.socket, request: bytes) -> None:
    while True:
        connection.sendall(request)


@pytest.mark.parametrize("drip", [b"", HEAD + b"X-Long: " + b"x" * 200], ids=["silent", "dripping"])
def test_headers_that_are_late_end_the_connection(brisk: Server, drip: bytes) -> None:
    with closing(connect(brisk)) as connection:
        assert 0.3 < seconds_until_closed(connection, drip) < 2


def test_the_headers_of_a_later_request_have_the_same_timeout(brisk: Server) -> None:
    with closing(connect(brisk)) as connection:
        ask(connection)
        assert 0.3 < seconds_until_closed(connection, HEAD + b"X-Long: " + b"x" * 200) < 2


def test_a_body_that_is_late_ends_the_connection(brisk: Server) -> None:
    with closing(connect(brisk)) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        assert 0.3 < seconds_until_closed(connection, b" " * 1_000) < 2


def test_an_idle_connection_is_closed_after_the_keep_alive_timeout(brisk: Server) -> None:
    with closing(connect(brisk)) as connection:
        ask(connection)
        time.sleep(0.7)
        ask(connection)
        assert 1.8 < seconds_until_closed(connection) < 4


@pytest.mark.parametrize("body", [BODY, b'{"texts":"\\u826f\\u3044"}'], ids=["lists", "single reviews"])
def test_a_client_that_does_not_read_responses_is_disconnected(brisk: Server, body: bytes) -> None:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(10)
        connection.connect(brisk.address)
        request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        started = time.monotonic()
        # Without a disconnect, the buffers would fill up and sending would time out.
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection, request)
        assert time.monotonic() - started < 9


def test_beyond_the_maximum_idle_connections_are_closed_and_a_new_one_is_served(brisk: Server) -> None:
    idle = [connect(brisk) for _ in range(60)]
    try:
        for _ in range(5):
            assert httpx.get(f"{brisk.url}/healthz", timeout=5).status_code == 200
        for connection in idle:
            connection.settimeout(0.01)
        closed = 0
        for connection in idle:
            with suppress(TimeoutError):
                closed += connection.recv(1) == b""
        # Two workers hold 20 each.
        assert closed >= 60 - 2 * 20
    finally:
        for connection in idle:
            connection.close()


def test_many_connections_at_once_are_reduced_to_the_maximum(narrow: Server) -> None:
    with selectors.DefaultSelector() as open_ones, ExitStack() as connections:
        for _ in range(200):
            connection = connections.enter_context(socket.socket())
            connection.settimeout(0)
            connection.connect_ex(narrow.address)
            open_ones.register(connection, selectors.EVENT_READ)
        deadline = time.monotonic() + 5
        while len(open_ones.get_map()) > 20 and time.monotonic() < deadline:
            for closed, _ in open_ones.select(0.1):
                open_ones.unregister(closed.fileobj)
        assert len(open_ones.get_map()) <= 20


def test_a_connection_with_a_started_request_is_not_idle(narrow: Server) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY)
    with closing(connect(narrow)) as connection, ExitStack() as newcomers:
        connection.sendall(HEALTH + request[:20])
        received = b""
        while not received.endswith(b'"alive"}'):
            received += connection.recv(65_536)
        connection.sendall(request[20:])
        for _ in range(40):
            newcomers.enter_context(closing(connect(narrow)))
        assert httpx.get(f"{narrow.url}/healthz", timeout=5).status_code == 200
        connection.sendall(BODY)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_an_incomplete_head_does_not_end_the_response_before_it(brisk: Server) -> None:
    rows = b"texts\n" + "良い宿\n".encode() * 10_000
    head = b"POST /api/1/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n" % len(rows)
    with closing(connect(brisk)) as connection:
        # Scoring takes a second, and the timeout of the headers is half of one.
        connection.sendall(head + rows + HEALTH[:10])
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        assert answer.endswith(b"\r\n0\r\n\r\n")
        assert answer.count("良い宿,".encode()) == 10_000


def test_slow_clients_do_not_delay_others(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        slow = [connect(server) for _ in range(100)]
        try:
            for connection in slow[:50]:
                connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n ")
            for connection in slow[50:]:
                connection.sendall(HEAD)
            seconds = []
            for _ in range(50):
                started = time.monotonic()
                assert httpx.post(f"{server.url}/api/1/scores", json={"texts": "良い宿"}).status_code == 200
                seconds.append(time.monotonic() - started)
            assert sorted(seconds)[25] < 0.2
        finally:
            for connection in slow:
                connection.close()
