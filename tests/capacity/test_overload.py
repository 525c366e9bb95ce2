"""Under overload the service refuses requests at once, and answers in time those that it accepts."""

import asyncio
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from review_scorer.capacity.admission import Admission
from review_scorer.server.body import WholeBody
from tests.support.crowd import PATH, crowd
from tests.support.running import Server, serving
from tests.support.scraping import scrape

REVIEW = "部屋は狭いけれど朝食が美味しかった。駅から近くて便利でした。"
ORIGIN = "https://shop.example"
SINGLE = json.dumps({"texts": REVIEW}).encode()
LIST = json.dumps({"texts": [REVIEW] * 1_000}).encode()
LARGE = json.dumps({"texts": [REVIEW * 10] * 1_000}, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def small(tiny_bundle: Path) -> Iterator[Server]:
    """A server that accepts two texts at a time."""
    with serving(tiny_bundle, MAX_PENDING_TEXTS="2", CORS_ORIGINS=ORIGIN) as server:
        yield server


def test_excess_requests_are_refused_at_once_and_the_others_are_served(small: Server) -> None:
    with crowd(small, [SINGLE, LIST], clients=12) as met:
        time.sleep(2)
    assert met.failures == []
    assert set(met.answers) == {200, 503}
    assert set(met.retry_after) == {"1"}
    refused = sorted(met.seconds[503])
    assert refused[len(refused) // 2] < 0.1
    assert httpx.post(small.url + PATH, content=LIST).status_code == 200


def test_a_refusal_has_the_form_of_every_error(small: Server) -> None:
    with crowd(small, [LIST], clients=6), httpx.Client(base_url=small.url) as client:
        answers = [client.post(PATH, content=SINGLE) for _ in range(100)]
        refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    for answer in refused:
        assert set(answer.json()["error"]) == {"code", "field", "reason"}
        assert answer.json()["error"]["code"] == "overloaded"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_a_page_of_another_origin_can_read_a_refusal(small: Server) -> None:
    with crowd(small, [LIST], clients=6), httpx.Client(base_url=small.url, headers={"Origin": ORIGIN}) as client:
        answers = [client.post(PATH, content=SINGLE) for _ in range(100)]
    assert 503 in {answer.status_code for answer in answers}
    assert {answer.headers.get("access-control-allow-origin") for answer in answers} == {ORIGIN}


def test_a_client_reads_the_refusal_of_a_large_body(small: Server) -> None:
    assert len(LARGE) > 800_000
    with crowd(small, [LIST], clients=6), crowd(small, [LARGE], clients=2) as met:
        time.sleep(1.5)
    assert met.failures == []
    assert met.answers[503] > 0
    # The connection stays open if the body was read before the refusal.
    assert 0 < met.closed <= met.answers[503]


def test_the_server_stops_reading_from_a_client_that_does_not_read_refusals(tiny_bundle: Path) -> None:
    file = b"POST /api/1/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n"
    request = b"POST /api/1/scores HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n%300s"
    with (
        serving(tiny_bundle, WORKERS="1", MAX_PENDING_TEXTS="1") as server,
        socket.create_connection(server.address) as uploading,
        socket.create_connection(server.address, timeout=1) as connection,
    ):
        uploading.sendall(file + b"texts\na good\n")
        assert uploading.recv(65_536).startswith(b"HTTP/1.1 200 ")
        # The buffers of the sockets fill up, and the client can send no more.
        with pytest.raises(TimeoutError):
            send_for(9, connection, request % b"" * 20)


def send_for(seconds: float, connection: socket.socket, content: bytes) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection.sendall(content)


def test_refusals_are_counted_as_requests_and_as_shed_requests(small: Server) -> None:
    before = scrape(small)
    with crowd(small, [SINGLE, LIST], clients=12) as met:
        time.sleep(1)
    seen = scrape(small)
    for status in (200, 503):
        name = f"scorer_requests_total{{route={PATH},status={status}}}"
        assert seen[name] - before.get(name, 0) == met.answers[status] > 0
    assert seen["scorer_requests_shed_total"] - before["scorer_requests_shed_total"] == met.answers[503]
    assert seen["scorer_queue_wait_seconds_count"] - before["scorer_queue_wait_seconds_count"] >= met.answers[200]
    assert seen["scorer_requests_in_flight"] == 1


def test_health_checks_are_answered_under_overload(small: Server) -> None:
    with crowd(small, [LIST, SINGLE], clients=12):
        for _ in range(4):
            with httpx.Client(base_url=small.url, timeout=2) as client:
                for path in ("/healthz", "/readyz", "/version") * 5:
                    assert client.get(path).status_code == 200


def test_requests_are_refused_if_they_would_wait_longer_than_the_queue_timeout(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, QUEUE_TIMEOUT="0.001", WORKERS="1") as server:
        with crowd(server, [SINGLE], clients=24) as met:
            time.sleep(1.5)
        assert met.failures == []
        assert set(met.answers) == {200, 503}


def test_a_single_review_is_answered_while_lists_are_scored(server: Server) -> None:
    stopped = threading.Event()

    def send_lists() -> list[float]:
        seconds = []
        while not stopped.is_set():
            started = time.monotonic()
            assert httpx.post(server.url + PATH, content=LIST, timeout=20).status_code == 200
            seconds.append(time.monotonic() - started)
        return seconds

    singles = []
    with ThreadPoolExecutor(4) as pool:
        lists = [pool.submit(send_lists) for _ in range(4)]
        with httpx.Client(base_url=server.url) as client:
            client.get("/healthz")
            for _ in range(40):
                started = time.monotonic()
                assert client.post(PATH, content=SINGLE).status_code == 200
                singles.append(time.monotonic() - started)
        stopped.set()
        took = sorted(second for each in lists for second in each.result())
    assert sorted(singles)[len(singles) // 2] < took[len(took) // 2] / 2


def test_the_memory_of_bodies_that_arrive_slowly_is_bounded() -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError("no body was complete")

    async def scenario() -> tuple[list[int], int]:
        admission = Admission(max_wait=1, max_texts=1)
        body = WholeBody(app, admission, max_bytes=1_000, seconds=60, authenticate=lambda _path, _headers: None)
        statuses: list[int] = []

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def ask() -> None:
            messages = [{"type": "http.request", "body": b" " * 1_000, "more_body": True}]

            async def receive() -> Mapping[str, Any]:
                if not messages:
                    await asyncio.Event().wait()
                return messages.pop()

            headers = [(b"content-length", b"2000")]
            await body({"type": "http", "path": PATH, "query_string": b"", "headers": headers}, receive, send)

        clients = [asyncio.ensure_future(ask()) for _ in range(100)]
        await asyncio.sleep(0.1)
        waiting = sum(not client.done() for client in clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        return statuses, waiting

    statuses, waiting = asyncio.run(scenario())
    assert statuses == [503] * 36
    assert waiting == 64


def test_refusals_leak_no_memory() -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError("the request was accepted")

    async def receive() -> Mapping[str, Any]:
        raise AssertionError("the body was read")

    async def send(_message: Mapping[str, Any]) -> None:
        pass

    async def scene() -> int:
        admission = Admission(max_wait=1, max_texts=1)
        whole = WholeBody(app, admission, max_bytes=1_000, seconds=60, authenticate=lambda _path, _headers: None)

        async def refuse(times: int) -> int:
            for _ in range(times):
                scope = {"type": "http", "path": PATH, "query_string": b"", "headers": [(b"content-length", b"600")]}
                await whole(scope, receive, send)
            return tracemalloc.get_traced_memory()[0]

        with admission.accept(1, 0):
            await refuse(100)
            tracemalloc.start()
            before = await refuse(100)
            return await refuse(2_000) - before

    try:
        assert asyncio.run(scene()) < 50_000
    finally:
        tracemalloc.stop()
