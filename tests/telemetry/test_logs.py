"""One line a request, in one form, which tells who wants to know and never what was asked."""

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

from review_scorer.telemetry.log_writer import Lines
from review_scorer.telemetry.request_log import JsonFormatter, Timestamps
from tests.support.running import Server, free_port, gunicorn, serving, wait_for_workers, wait_ready

SCORES = "/api/1/scores"
SECRET = "誰にも見せたくない感想"  # noqa: S105
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


Ask = Callable[[httpx.Client], httpx.Response]


def logged(tiny_bundle: Path, *asks: Ask, **settings: str) -> list[str]:
    """All lines of a service that was asked, answered and was stopped."""
    port = free_port()
    process = gunicorn(tiny_bundle, **{"PORT": str(port), "WORKERS": "2", "DRAIN_SECONDS": "0", **settings})
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_ready(server)
        for ask in asks:
            ask(server.client)
    finally:
        server.client.close()
        process.terminate()
        output = process.communicate(timeout=30)[0]
    return output.splitlines()


def of_requests(lines: list[str], route: str = SCORES) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines) if line.get("route") == route]


def post(body: object, **headers: str) -> Ask:
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


def test_every_line_is_one_json_object_with_its_time(lines: list[str]) -> None:
    now = datetime.now(UTC)
    for line in map(json.loads, lines):
        assert TIME.fullmatch(line["time"])
        assert abs((now - datetime.fromisoformat(line["time"])).total_seconds()) < 300


def test_each_request_has_one_line_with_what_it_took(lines: list[str]) -> None:
    single, many, query, refused, broken = of_requests(lines)
    assert set(single) == {
        *("time", "id", "route", "status", "milliseconds", "texts", "characters", "tokens", "worker"),
    }
    assert [line["status"] for line in (single, many, query, refused, broken)] == [200, 200, 200, 400, 400]
    assert (single["texts"], single["characters"]) == (1, len(SECRET))
    assert (many["texts"], many["characters"]) == (2, len(SECRET) + 3)
    assert many["tokens"] > single["tokens"] == query["tokens"] > 1
    assert (refused["texts"], refused["characters"], refused["tokens"]) == (0, 0, 0)
    assert all(0 < line["milliseconds"] < 10_000 for line in of_requests(lines))


def test_what_is_said_of_a_request_is_not_of_those_beside_it(tiny_bundle: Path) -> None:
    def ask(length: int) -> None:
        with httpx.Client(base_url=server.url) as client:
            for count in range(1, 21):
                texts = ["良" * length] * count
                client.post(SCORES, json={"texts": texts}, headers={"X-Request-Id": f"{length * count}"})

    with serving(tiny_bundle, WORKERS="1", QUEUE_TIMEOUT="60") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(1, 9)))
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    lines = of_requests(output.splitlines())
    assert len(lines) == 160
    assert {line["status"] for line in lines} == {200}
    assert [line for line in lines if line["id"] != str(line["characters"])] == []


def test_no_line_holds_a_text_or_a_query_or_a_path_of_the_clients_making(lines: list[str]) -> None:
    written = "\n".join(lines) + "\n".join(json.dumps(json.loads(line), ensure_ascii=False) for line in lines)
    for secret in (SECRET, httpx.URL("http://x", params={"texts": SECRET}).query.decode(), "texts=", "%E8%AA%B0"):
        assert secret not in written
    assert [line["status"] for line in of_requests(lines, "other")] == [404]


def test_the_service_speaks_of_itself_in_the_same_form(lines: list[str]) -> None:
    own = [line for line in map(json.loads, lines) if "message" in line]
    assert {"time", "level", "message", "process"} == set(own[0])
    messages = " ".join(line["message"] for line in own)
    assert all(said in messages for said in ("Starting gunicorn", "Listening at", "Booting worker", "Shutting down"))


def test_a_sane_id_is_kept_and_returned(lines: list[str]) -> None:
    ids = [line["id"] for line in of_requests(lines)]
    assert ids[0] == "order-66/a.b"
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 129, "é", "a\tb"])
def test_an_id_that_could_do_harm_is_replaced(server: Server, given: str) -> None:
    headers = {"X-Request-Id": given.encode("latin-1")}
    answer = httpx.get(f"{server.url}/healthz", headers=headers)  # type: ignore[arg-type]
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", SCORES])
def test_every_answer_returns_the_id(server: Server, path: str) -> None:
    given = httpx.get(server.url + path, headers={"X-Request-Id": "x" * 128})
    assert given.headers["x-request-id"] == "x" * 128
    assert httpx.get(server.url + path).headers["x-request-id"] != httpx.get(server.url + path).headers["x-request-id"]


def test_plain_lines_are_for_people(tiny_bundle: Path) -> None:
    lines = logged(tiny_bundle, post({"texts": SECRET}, **{"X-Request-Id": "me"}), LOG="plain")
    (line,) = [line for line in lines if SCORES in line]
    pattern = rf"{TIME.pattern} \[\d+\] 200 {SCORES} [\d.]+ ms, 1 texts, {len(SECRET)} characters, \d+ tokens id=me"
    assert re.fullmatch(pattern, line)
    assert all(TIME.match(line) for line in lines)


def test_off_says_nothing_of_requests(tiny_bundle: Path) -> None:
    lines = logged(tiny_bundle, post({"texts": SECRET}), LOG="off")
    assert not [line for line in lines if SCORES in line or "readyz" in line]
    assert any("Listening at" in line for line in lines)


def test_a_bug_is_one_line_with_its_trace() -> None:
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


def test_draining_and_a_killed_worker_are_told(tiny_bundle: Path) -> None:
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


def test_lines_of_many_workers_are_never_torn(tiny_bundle: Path) -> None:
    body = {"texts": "良い"}

    def ask(index: int) -> None:
        with httpx.Client(base_url=server.url) as client:
            for number in range(100):
                client.post(SCORES, json=body, headers={"X-Request-Id": f"{index}.{number}." + "x" * 100})

    with serving(tiny_bundle, WORKERS="4") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    assert len({line["id"] for line in of_requests(output.splitlines())}) == 800


def test_a_reader_that_hangs_does_not_hang_the_service(tiny_bundle: Path) -> None:
    headers = {"X-Request-Id": "x" * 128}
    with serving(tiny_bundle, WORKERS="1") as server:
        # Nobody reads the pipe, which holds 64 KiB: a few hundred lines.
        for _ in range(1_000):
            assert server.client.get("/healthz", headers=headers).status_code == 200


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def wait_until_taken(lines: Lines) -> None:
    deadline = time.monotonic() + 10
    while lines._waiting:  # noqa: SLF001
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_that_nobody_reads_are_lost_and_counted(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    out, into = pipe
    lines = Lines(into, most=10)
    lines.start()
    long = b"x" * 70_000 + b"\n"  # more than the pipe holds: the thread hangs in it
    lines.put(long)
    wait_until_taken(lines)
    for number in range(15):
        lines.put(b"%d\n" % number)
    received = b""
    while not received.endswith(b"9\n"):
        received += os.read(out, 100_000)
    lines.stop()
    assert received == long + b"".join(b"%d\n" % number for number in range(10))
    assert [record.getMessage() for record in caplog.records] == ["5 log lines were lost, as nobody read them"]


def test_without_a_thread_a_full_pipe_costs_the_line_and_no_time(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    out, into = pipe
    os.set_blocking(into, False)
    with suppress(BlockingIOError):
        while True:
            os.write(into, b"x" * 4096)
    os.set_blocking(into, True)
    lines = Lines(into)
    lines.put(b"lost\n")
    lines.put(b"lost, too\n")
    os.read(out, 1_000_000)
    lines.put(b"said\n")
    assert os.read(out, 100) == b"said\n"
    assert [record.getMessage() for record in caplog.records] == ["2 log lines were lost, as nobody read them"]


def test_a_reader_that_hangs_keeps_nobody_from_reloading_and_stopping(tiny_bundle: Path) -> None:
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


def test_a_reader_that_went_away_is_no_error() -> None:
    reader, writer = socket.socketpair()
    reader.close()
    with writer:
        Lines(writer.fileno()).put(b"said to nobody\n")


def test_after_the_stop_nothing_waits(pipe: tuple[int, int]) -> None:
    out, into = pipe
    lines = Lines(into)
    lines.start()
    lines.put(b"first\n")
    lines.stop()
    lines.put(b"last\n")
    assert os.read(out, 100) == b"first\nlast\n"


def test_what_came_while_the_last_lines_were_written_is_written_too(pipe: tuple[int, int]) -> None:
    out, into = pipe
    lines = Lines(into)
    lines.start()
    long = b"x" * 70_000 + b"\n"  # more than the pipe holds: the thread hangs in it
    lines.put(long)
    wait_until_taken(lines)
    lines.put(b"last\n")
    lines.stop(0.01)
    received = b""
    while len(received) < len(long):
        received += os.read(out, len(long) - len(received))
    lines.stop()
    os.set_blocking(out, False)
    assert os.read(out, 100) == b"last\n"


def test_a_new_second_shows() -> None:
    timestamp = Timestamps()
    assert timestamp(0.0009) == "1970-01-01T00:00:00.000Z"
    assert timestamp(0.9999) == "1970-01-01T00:00:00.999Z"
    assert timestamp(1.5) == "1970-01-01T00:00:01.500Z"
