"""The log has one line for each request, without its text, and no reader of the log can block the service."""

import json
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from review_scorer.telemetry.log_writer import LogWriter
from review_scorer.telemetry.request_log import JsonFormatter, Timestamps
from tests.support.running import Server, free_port, gunicorn, serving, wait_for_workers, wait_ready

SCORES = "/api/1/scores"
SECRET = "誰にも見せたくない感想"  # noqa: S105
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


Request = Callable[[httpx.Client], httpx.Response]


def logged(tiny_bundle: Path, *requests: Request, **settings: str) -> list[str]:
    """Return all log lines of a service that received ``requests`` and was stopped."""
    port = free_port()
    process = gunicorn(tiny_bundle, **{"PORT": str(port), "WORKERS": "2", "DRAIN_SECONDS": "0", **settings})
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_ready(server)
        for send in requests:
            send(server.client)
    finally:
        server.client.close()
        process.terminate()
        output = process.communicate(timeout=30)[0]
    return output.splitlines()


def request_lines(lines: list[str], route: str = SCORES) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines) if line.get("route") == route]


def post(body: object, **headers: str) -> Request:
    return lambda client: client.post(SCORES, json=body, headers=headers)


@pytest.fixture(scope="module")
def lines(tiny_bundle: Path) -> list[str]:
    return logged(
        tiny_bundle,
        post({"texts": SECRET}, **{"X-Request-Id": "order-66/a.b"}),
        post({"texts": [SECRET, "良い宿"]}),
        lambda client: client.get(SCORES, params={"texts": SECRET}),
        post({"texts": f"{SECRET}\0"}),
        lambda client: client.post(SCORES, content=b"{"),
        lambda client: client.get(f"/{SECRET}"),
    )


def test_every_line_is_a_json_object_with_a_timestamp(lines: list[str]) -> None:
    now = datetime.now(UTC)
    for line in map(json.loads, lines):
        assert TIME.fullmatch(line["time"])
        assert abs((now - datetime.fromisoformat(line["time"])).total_seconds()) < 300


def test_each_request_has_one_line_with_status_duration_and_sizes(lines: list[str]) -> None:
    single, many, query, refused, broken = request_lines(lines)
    assert set(single) == {
        *("time", "id", "route", "status", "milliseconds", "texts", "characters", "tokens", "worker"),
    }
    assert [line["status"] for line in (single, many, query, refused, broken)] == [200, 200, 200, 400, 400]
    assert (single["texts"], single["characters"]) == (1, len(SECRET))
    assert (many["texts"], many["characters"]) == (2, len(SECRET) + 3)
    assert many["tokens"] > single["tokens"] == query["tokens"] > 1
    assert (refused["texts"], refused["characters"], refused["tokens"]) == (0, 0, 0)
    assert all(0 < line["milliseconds"] < 10_000 for line in request_lines(lines))


def test_lines_of_concurrent_requests_are_not_mixed_up(tiny_bundle: Path) -> None:
    def post_texts(length: int) -> None:
        with httpx.Client(base_url=server.url) as client:
            for count in range(1, 21):
                texts = ["良" * length] * count
                client.post(SCORES, json={"texts": texts}, headers={"X-Request-Id": f"{length * count}"})

    with serving(tiny_bundle, WORKERS="1", QUEUE_TIMEOUT="60") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(post_texts, range(1, 9)))
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    lines = request_lines(output.splitlines())
    assert len(lines) == 160
    assert {line["status"] for line in lines} == {200}
    assert [line for line in lines if line["id"] != str(line["characters"])] == []


def test_no_line_contains_a_text_a_query_or_an_unknown_path(lines: list[str]) -> None:
    written = "\n".join(lines) + "\n".join(json.dumps(json.loads(line), ensure_ascii=False) for line in lines)
    for secret in (SECRET, httpx.URL("http://x", params={"texts": SECRET}).query.decode(), "texts=", "%E8%AA%B0"):
        assert secret not in written
    assert [line["status"] for line in request_lines(lines, "other")] == [404]


def test_messages_of_gunicorn_have_the_same_format(lines: list[str]) -> None:
    own = [line for line in map(json.loads, lines) if "message" in line]
    assert {"time", "level", "message", "process"} == set(own[0])
    messages = " ".join(line["message"] for line in own)
    assert all(each in messages for each in ("Starting gunicorn", "Listening at", "Booting worker", "Shutting down"))


def test_a_valid_request_id_is_logged(lines: list[str]) -> None:
    ids = [line["id"] for line in request_lines(lines)]
    assert ids[0] == "order-66/a.b"
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 129, "é", "a\tb"])
def test_an_invalid_request_id_is_replaced(server: Server, given: str) -> None:
    headers = {"X-Request-Id": given.encode("latin-1")}
    answer = httpx.get(f"{server.url}/healthz", headers=headers)  # type: ignore[arg-type]
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", SCORES])
def test_every_response_has_the_request_id(server: Server, path: str) -> None:
    given = httpx.get(server.url + path, headers={"X-Request-Id": "x" * 128})
    assert given.headers["x-request-id"] == "x" * 128
    assert httpx.get(server.url + path).headers["x-request-id"] != httpx.get(server.url + path).headers["x-request-id"]


def test_plain_format(tiny_bundle: Path) -> None:
    lines = logged(tiny_bundle, post({"texts": SECRET}, **{"X-Request-Id": "me"}), LOG="plain")
    (line,) = [line for line in lines if SCORES in line]
    pattern = rf"{TIME.pattern} \[\d+\] 200 {SCORES} [\d.]+ ms, 1 texts, {len(SECRET)} characters, \d+ tokens id=me"
    assert re.fullmatch(pattern, line)
    assert all(TIME.match(line) for line in lines)


def test_off_logs_no_requests(tiny_bundle: Path) -> None:
    lines = logged(tiny_bundle, post({"texts": SECRET}), LOG="off")
    assert not [line for line in lines if SCORES in line or "readyz" in line]
    assert any("Listening at" in line for line in lines)


def test_an_exception_is_one_line_with_its_stack_trace() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        exc_info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("service", logging.ERROR, "", 0, "%s failed", ("it",), exc_info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["level"], read["message"]) == ("error", "it failed")
    assert "ZeroDivisionError" in read["trace"]


def test_draining_and_a_killed_worker_are_logged(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, DRAIN_SECONDS="0.5") as server:
        killed = server.workers()[0]
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while killed in server.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    own = [(line["level"], line["message"]) for line in map(json.loads, output.splitlines()) if "message" in line]
    assert ("info", "Draining for 0.5 s: not ready any more, still serving") in own
    assert any(level == "error" and f"(pid:{killed}) was sent SIGKILL" in message for level, message in own)


def test_lines_of_many_workers_are_never_interleaved(tiny_bundle: Path) -> None:
    body = {"texts": "良い"}

    def post_many(index: int) -> None:
        with httpx.Client(base_url=server.url) as client:
            for number in range(100):
                client.post(SCORES, json=body, headers={"X-Request-Id": f"{index}.{number}." + "x" * 100})

    with serving(tiny_bundle, WORKERS="4") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(post_many, range(8)))
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    assert len({line["id"] for line in request_lines(output.splitlines())}) == 800


def test_requests_succeed_while_standard_output_is_not_read(tiny_bundle: Path) -> None:
    headers = {"X-Request-Id": "x" * 128}
    with serving(tiny_bundle, WORKERS="1") as server:
        # The pipe, which is not read, holds 64 KiB: a few hundred lines.
        for _ in range(1_000):
            assert server.client.get("/healthz", headers=headers).status_code == 200


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def wait_until_queue_is_empty(writer: LogWriter) -> None:
    deadline = time.monotonic() + 10
    while writer._queue:  # noqa: SLF001
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_beyond_the_queue_are_dropped_and_counted(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    out, into = pipe
    writer = LogWriter(into, max_lines=10)
    writer.start()
    long = b"x" * 70_000 + b"\n"  # more than the pipe holds, so the thread blocks
    writer.write(long)
    wait_until_queue_is_empty(writer)
    for number in range(15):
        writer.write(b"%d\n" % number)
    received = b""
    while not received.endswith(b"9\n"):
        received += os.read(out, 100_000)
    writer.stop()
    assert received == long + b"".join(b"%d\n" % number for number in range(10))
    assert [record.getMessage() for record in caplog.records] == [
        "dropped 5 log lines: standard output was not read fast enough"
    ]


def test_without_the_thread_a_full_pipe_drops_the_line_and_does_not_block(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    out, into = pipe
    os.set_blocking(into, False)
    with suppress(BlockingIOError):
        while True:
            os.write(into, b"x" * 4096)
    os.set_blocking(into, True)
    writer = LogWriter(into)
    writer.write(b"dropped\n")
    writer.write(b"dropped, too\n")
    os.read(out, 1_000_000)
    writer.write(b"written\n")
    assert os.read(out, 100) == b"written\n"
    assert [record.getMessage() for record in caplog.records] == [
        "dropped 2 log lines: standard output was not read fast enough"
    ]


def test_reload_and_stop_work_while_standard_output_is_not_read(tiny_bundle: Path) -> None:
    headers = {"X-Request-Id": "x" * 128}
    with serving(tiny_bundle) as server:
        for _ in range(1_000):  # more than the pipe holds
            server.client.get("/healthz", headers=headers)
        before = server.workers()
        server.process.send_signal(signal.SIGHUP)
        wait_for_workers(server, without=before)
        server.client.close()
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0


def test_a_closed_reader_is_not_an_error() -> None:
    reader, sender = socket.socketpair()
    reader.close()
    with sender:
        LogWriter(sender.fileno()).write(b"discarded\n")


def test_stop_writes_the_queue_and_later_lines_are_written_at_once(pipe: tuple[int, int]) -> None:
    out, into = pipe
    writer = LogWriter(into)
    writer.start()
    writer.write(b"first\n")
    writer.stop()
    writer.write(b"last\n")
    assert os.read(out, 100) == b"first\nlast\n"


def test_lines_that_arrive_during_the_last_flush_are_written(pipe: tuple[int, int]) -> None:
    out, into = pipe
    writer = LogWriter(into)
    writer.start()
    long = b"x" * 70_000 + b"\n"  # more than the pipe holds, so the thread blocks
    writer.write(long)
    wait_until_queue_is_empty(writer)
    writer.write(b"last\n")
    writer.stop(0.01)
    received = b""
    while len(received) < len(long):
        received += os.read(out, len(long) - len(received))
    writer.stop()
    os.set_blocking(out, False)
    assert os.read(out, 100) == b"last\n"


def test_timestamps_follow_the_second() -> None:
    timestamp = Timestamps()
    assert timestamp(0.0009) == "1970-01-01T00:00:00.000Z"
    assert timestamp(0.9999) == "1970-01-01T00:00:00.999Z"
    assert timestamp(1.5) == "1970-01-01T00:00:01.500Z"
