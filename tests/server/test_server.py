"""The service under gunicorn with two preloaded workers, over sockets."""

import csv
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from review_scorer.scoring.bundle import load
from tests.support.running import ROOT, Server, free_port, gunicorn, serving


def exchange(server: Server, *pieces: bytes, pause: float = 0, cut: bool = False) -> bytes:
    """Send the pieces on one connection and return all bytes until it closes."""
    with socket.create_connection(server.address, timeout=5) as connection:
        for piece in pieces:
            # The response may arrive, and the connection close, before everything was sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(piece)
            if select.select([connection], [], [], pause)[0]:
                break
        if cut:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def head(length: int | str, *more: str) -> bytes:
    lines = ["POST /api/1/users HTTP/1.1", "Host: x", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def test_both_workers_answer_with_the_scores_of_training(server: Server, tiny_bundle: Path, tiny_corpus: Path) -> None:
    with tiny_corpus.open(encoding="utf-8", newline="") as file:
        texts = [row["texts"] for row in csv.DictReader(file)]
    expected = load(tiny_bundle).scorer.score_many(texts)
    assert len(server.workers()) == 2

    def ask(text: str) -> float:
        # A connection each, which the kernel distributes over both workers.
        score: float = httpx.post(f"{server.url}/api/1/users", json={"texts": text}).json()["score"]
        return score

    with ThreadPoolExecutor(8) as pool:
        singles = list(pool.map(ask, texts))
    batch = server.client.post("/api/1/scores", json={"texts": texts}).json()["scores"]
    assert singles == pytest.approx(expected, abs=1e-9, rel=0)
    assert batch == pytest.approx(expected, abs=1e-9, rel=0)


def test_each_of_the_workers_scores_after_the_fork(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        for stopped in server.workers():
            os.kill(stopped, signal.SIGSTOP)
            try:
                answer = httpx.post(f"{server.url}/api/1/users", json={"texts": "良い宿"}, timeout=5)
                assert answer.status_code == 200
            except httpx.TimeoutException:
                # The kernel may hand a connection to the stopped worker; the next one goes to the other.
                assert httpx.post(f"{server.url}/api/1/users", json={"texts": "良い宿"}, timeout=5).status_code == 200
            finally:
                os.kill(stopped, signal.SIGCONT)


def test_the_request_of_the_first_version_is_answered(server: Server) -> None:
    body = json.dumps({"texts": "すごい！最高に興奮した！楽しい"}).encode()
    answer = exchange(server, head(len(body), "Connection: close") + body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"score"}


def test_a_connection_serves_many_requests(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        answers = [client.post("/api/1/users", json={"texts": "良い宿"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(answer.headers.get("connection") == "close" for answer in answers)


def test_a_truncated_body_gets_no_score(server: Server) -> None:
    answer = exchange(server, head(1_000) + b'{"texts": "a"}', cut=True)
    assert not answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("pause", [0.3, 2.0])
def test_a_body_that_drips_or_stalls_times_out(server: Server, pause: float) -> None:
    started = time.monotonic()
    answer = exchange(server, head(100), *[b" "] * round(2.4 / pause), pause=pause)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_timeout"' in answer
    assert b"request body incomplete after 1 s (" in answer
    assert time.monotonic() - started < 4


def test_a_body_over_the_limit_is_refused_and_the_client_reads_the_refusal(server: Server) -> None:
    answer = exchange(server, head(3_000_000, "Connection: close"), b" " * 3_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"3,000,000 bytes" in answer


def test_a_client_that_expects_100_continue_need_not_send_a_body_over_the_limit(server: Server) -> None:
    answer = exchange(server, head(3_000_000, "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_the_limit_is_refused(server: Server) -> None:
    chunk = b"%x\r\n%s\r\n" % (500_000, b" " * 500_000)
    start = b"POST /api/1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(server, start, chunk, chunk, chunk, b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_within_the_limit_is_scored(server: Server) -> None:
    answer = server.client.post("/api/1/users", content=iter([b'{"texts": ', '"良い宿"}'.encode()]))
    assert set(answer.json()) == {"score"}


def test_no_response_names_the_server_software(server: Server) -> None:
    assert "server" not in server.client.get("/healthz").headers


def test_version_has_code_bundle_and_libraries(server: Server, tiny_bundle: Path) -> None:
    version = server.client.get("/version").json()
    assert set(version) == {"version", "bundle", "libraries"}
    assert version["bundle"]["digest"] == load(tiny_bundle).digest


def test_term_ends_the_service_with_status_zero(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0


def terminate(server: Server) -> None:
    """Send TERM, and wait until the service is not ready."""
    server.process.terminate()
    deadline = time.monotonic() + 2
    while httpx.get(f"{server.url}/readyz").status_code == 200:
        assert time.monotonic() < deadline, "the service is still ready"
        time.sleep(0.02)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_stop_without_draining(tiny_bundle: Path, told: signal.Signals) -> None:
    with serving(tiny_bundle, GRACEFUL_TIMEOUT="60", DRAIN_SECONDS="60") as server:
        server.process.send_signal(told)
        assert server.process.wait(timeout=20) == 0


def test_a_worker_that_gets_term_right_after_the_fork_stops() -> None:
    forked = """
import os, signal
from review_scorer.server.lifecycle import Drain, drain_on_term
signal.signal(signal.SIGTERM, lambda *_: None)
drain_on_term(None, Drain(), 0)
if worker := os.fork():
    assert os.WTERMSIG(os.waitpid(worker, 0)[1]) == signal.SIGTERM
else:
    signal.raise_signal(signal.SIGTERM)
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", forked], cwd=ROOT, check=True, timeout=20)


def test_after_term_requests_are_still_answered_while_the_service_is_not_ready(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, DRAIN_SECONDS="3") as server:
        outcomes: list[int] = []
        terminate(server)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            assert httpx.get(f"{server.url}/readyz").json()["error"]["code"] == "draining"
            outcomes.append(httpx.post(f"{server.url}/api/1/users", json={"texts": "良い宿"}).status_code)
            assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert set(outcomes) == {200}
        assert server.process.wait(timeout=10) == 0


def test_a_second_term_ends_the_drain(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, DRAIN_SECONDS="60") as server:
        terminate(server)
        server.process.terminate()
        assert server.process.wait(timeout=10) == 0


def test_the_health_check_of_containers_exits_with_the_readiness(server: Server) -> None:
    command = [sys.executable, "-m", "review_scorer.healthcheck"]
    for port, status in ((server.address[1], 0), (free_port(), 1)):
        environ = {**os.environ, "SCORER_PORT": str(port)}
        assert subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=False).returncode == status


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PORT": "http"}, "SCORER_PORT='http': must be a whole number"),
        ({"WORKER": "2"}, "SCORER_WORKER is not a setting; did you mean SCORER_WORKERS?"),
        ({"BUNDLE": "nowhere"}, "no bundle at nowhere: No such file or directory; train one"),
    ],
)
def test_a_start_that_fails_ends_with_one_line(tiny_bundle: Path, settings: dict[str, str], message: str) -> None:
    process = gunicorn(tiny_bundle, **{"PORT": str(free_port()), **settings})
    output = process.communicate(timeout=20)[0]
    assert process.returncode != 0
    lines = [line for line in output.splitlines() if not line.startswith('{"time":')]
    assert len(lines) == 1
    assert lines[0].startswith("review-scorer: ")
    assert message in lines[0]


def test_serving_imports_neither_scikit_learn_nor_pandas_nor_scipy(tiny_bundle: Path) -> None:
    code = (
        "import sys; from review_scorer.app import get_app; get_app(); "
        "print([name for name in ('sklearn', 'pandas', 'scipy', 'lightgbm', 'pyarrow') if name in sys.modules])"
    )
    environ = {**os.environ, "SCORER_BUNDLE": str(tiny_bundle)}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
