"""Paths that are not public need an API key, which is logged by its name and has a rate limit."""

import asyncio
import hashlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from review_scorer.access.api_keys import ApiKeysError, ApiKeyStore, main, read_keys
from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.access.rate_limits import RateLimiter
from review_scorer.errors import RequestError
from tests.support.running import ROOT, Server, free_port, gunicorn, serving

SCORES = "/api/1/scores"
BODY = {"texts": "良い宿"}


def line(name: str, secret: str, rate: str = "") -> str:
    return f"{name}:{hashlib.sha256(secret.encode()).hexdigest()}{rate and f':{rate}'}\n"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def ask(server: Server, secret: str, times: int = 1) -> list[int]:
    """The statuses of requests on a connection each, which the kernel distributes over the workers."""
    return [
        httpx.post(server.url + SCORES, json=BODY, headers=bearer(secret) if secret else {}).status_code
        for _ in range(times)
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("# of tests\n\n" + line("alice", "wonder") + line("slow", "tortoise", "2"))
    return path


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path, file: Path) -> Iterator[Server]:
    with serving(tiny_bundle, API_KEYS_FILE=str(file)) as server:
        yield server


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wonder2"},
        {"Authorization": "Bearer wonde"},
        {"Authorization": "wonder"},
        {"Authorization": "Basic wonder"},
        {"Authorization": "Basic YWxpY2U6d29uZGVy"},
        {"Authorization": f"Bearer {hashlib.sha256(b'wonder').hexdigest()}"},
        {"X-Api-Key": "wonder"},
    ],
)
@pytest.mark.parametrize("path", [SCORES, "/api/1/users", "/version", "/nowhere", "/x//healthz", "/healthz/", "/page"])
def test_every_path_refuses_a_request_without_a_key_in_the_same_way(
    guarded: Server, path: str, headers: dict[str, str]
) -> None:
    answer = guarded.client.post(path, json=BODY, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    error = {"code": "unauthorized", "field": None, "reason": "an API key is required: Authorization: Bearer …"}
    assert answer.json() == {"error": error}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_is_accepted_on_every_path(guarded: Server, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} wonder"}
    assert guarded.client.post(SCORES, json=BODY, headers=headers).status_code == 200
    assert guarded.client.get("/version", headers=headers).status_code == 200
    assert guarded.client.get("/nowhere", headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_checks_and_metrics_need_no_key(guarded: Server, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_a_request_is_refused_before_its_body_and_the_client_reads_the_refusal(guarded: Server) -> None:
    assert guarded.client.post(SCORES, content=b" " * 5_000_000).status_code == 401
    head = f"POST {SCORES} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n".encode()
    with socket.create_connection(guarded.address, timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 401 ")


def test_malformed_bytes_after_an_early_refusal_are_refused_too(guarded: Server) -> None:
    head = f"POST {SCORES} HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n".encode()
    with socket.create_connection(guarded.address, timeout=5) as connection:
        connection.sendall(head)
        received = b""
        while not received.endswith(b"}}"):
            received += connection.recv(1_000)
        assert received.startswith(b"HTTP/1.1 401 ")
        connection.sendall(b'{"texts":"a good"}garbage\r\n\r\n')
        while piece := connection.recv(1_000):
            received += piece
        assert re.findall(rb"HTTP/1\.1 (\d+) ", received) == [b"401", b"400"]


def test_the_public_paths_are_configurable(tiny_bundle: Path, file: Path) -> None:
    with serving(tiny_bundle, API_KEYS_FILE=str(file), PUBLIC_PATHS="/readyz /api/*") as server:
        assert ask(server, "") == [200]
        assert server.client.get("/metrics").status_code == 401


def test_without_a_file_of_keys_no_key_is_needed(server: Server) -> None:
    assert ask(server, "") == ask(server, "anything") == [200]


def test_the_log_has_the_name_of_the_key_and_never_the_secret(tiny_bundle: Path, file: Path) -> None:
    with serving(tiny_bundle, API_KEYS_FILE=str(file)) as server:
        assert ask(server, "wonder") == [200]
        assert ask(server, "guess") == [401]
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    lines = [line for line in map(json.loads, output.splitlines()) if line.get("route") == SCORES]
    assert {line["status"]: line.get("key") for line in lines} == {200: "alice", 401: None}
    for secret in ("wonder", "guess", hashlib.sha256(b"wonder").hexdigest()):
        assert secret not in output


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.1)


def test_keys_are_added_and_withdrawn_without_a_restart(tiny_bundle: Path, tmp_path: Path) -> None:
    """The file is overwritten, replaced by a rename, and swapped as Kubernetes swaps the files of a Secret."""
    for name, keys in (("..1", line("a", "one")), ("..2", line("b", "two"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_text(keys)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys").symlink_to("..data/keys")
    with serving(tiny_bundle, API_KEYS_FILE=str(tmp_path / "keys")) as server:

        def only(secret: str) -> None:
            others = {"one", "two", "three", "four"} - {secret}
            until(lambda: ask(server, secret, 8) == [200] * 8)
            assert [ask(server, other, 4) for other in others] == [[401] * 4] * 3

        only("one")
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        only("two")
        (tmp_path / "..2" / "keys").write_text(line("c", "three"))
        only("three")
        (tmp_path / "new").write_text(line("d", "four"))
        (tmp_path / "new").rename(tmp_path / "keys")
        only("four")


def test_a_file_that_becomes_invalid_changes_nothing_and_is_logged_once(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(line("a", "one"))
    with serving(tiny_bundle, API_KEYS_FILE=str(file), WORKERS="1") as server:
        for bad in ("a:secret\n", "", None):
            if bad is None:
                file.unlink()
            else:
                file.write_text(bad)
            deadline = time.monotonic() + 2.5
            while time.monotonic() < deadline:
                assert ask(server, "one") == [200]
        file.write_text(line("a", "two"))
        until(lambda: ask(server, "two") == [200])
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    told = [line["message"] for line in map(json.loads, output.splitlines()) if line.get("level") == "error"]
    assert [message.partition(str(file))[2] for message in told] == [
        ", line 1: expected the SHA-256 of the secret after the name (64 hex digits); still using the previous keys",
        " has no key; make one with python -m review_scorer.access.api_keys NAME; still using the previous keys",
        ": No such file or directory; still using the previous keys",
    ]


def test_a_worker_that_starts_while_the_file_is_invalid_refuses_all_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(line("withdrawn meanwhile".replace(" ", "-"), "one"))
    now = [0.0]
    keys = ApiKeyStore(file, RateLimiter(), clock=lambda: now[0])
    file.write_text("broken")
    asyncio.run(ApiKeyAuth(keys, public_paths=()).process_startup({}, {}))
    with pytest.raises(RequestError, match="an API key is required"):
        keys.authenticate(b"Bearer one")
    file.write_text(line("new", "two"))
    now[0] += 1
    assert keys.authenticate(b"Bearer two") == "new"


def test_the_file_is_checked_once_a_second_at_most(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(line("a", "one"))
    now = [0.0]
    keys = ApiKeyStore(file, RateLimiter(), clock=lambda: now[0])
    file.unlink()
    file.write_text(line("b", "one"))
    now[0] = 0.99
    assert keys.authenticate(b"Bearer one") == "a"
    now[0] = 1.0
    assert keys.authenticate(b"Bearer one") == "b"


def test_a_rate_limit_holds_over_all_workers_and_says_when_to_retry(guarded: Server) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: httpx.post(guarded.url + SCORES, json=BODY, headers=bearer("tortoise")), range(40))
        )
    took = time.monotonic() - started
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(passed) + len(refused) == 40
    # Two at once and two per second after them; two workers that read at the same instant may let one too many pass.
    assert 2 <= len(passed) <= 2 + 2 * took + 2
    assert refused[0].json()["error"]["code"] == "rate_limited"
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert ask(guarded, "wonder", 5) == [200] * 5
    time.sleep(1)
    assert ask(guarded, "tortoise") == [200]


@pytest.mark.parametrize(("rate", "burst"), [(5.0, 5), (1.0, 1), (0.5, 1), (2.5, 2)])
def test_a_bucket_allows_its_burst_and_then_its_rate(rate: float, burst: int) -> None:
    now = [1_000.0]
    limiter = RateLimiter(clock=lambda: now[0])
    slot = limiter.slot(b"12345678")
    assert [limiter.acquire(slot, rate) for _ in range(burst)] == [0] * burst
    passed = 0
    for step in range(1, 1001):
        now[0] = 1_000 + step / 50
        passed += limiter.acquire(slot, rate) == 0
    assert passed == pytest.approx(20 * rate, abs=1)


def test_the_reported_wait_is_exact() -> None:
    now = [0.0]
    limiter = RateLimiter(clock=lambda: now[0])
    slot = limiter.slot(b"12345678")
    limiter.acquire(slot, 0.1)
    now[0] = 3
    assert limiter.acquire(slot, 0.1) == pytest.approx(7)
    now[0] = 9.99
    assert limiter.acquire(slot, 0.1) > 0
    now[0] = 10
    assert limiter.acquire(slot, 0.1) == 0


def test_each_key_has_its_own_slot_and_keeps_it() -> None:
    limiter = RateLimiter()
    digests = [hashlib.sha256(b"%d" % number).digest() for number in range(3_000)]
    slots = [limiter.slot(digest) for digest in digests]
    assert len(set(slots)) == 3_000
    assert [limiter.slot(digest) for digest in reversed(digests)] == slots[::-1]


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n#\nalice\n", "line 3: expected the SHA-256 of the secret"),
        (f"{DIGEST}\n", "line 1: expected the SHA-256 of the secret"),
        (f"al ice:{DIGEST}", "line 1: expected name:sha256"),
        (f":{DIGEST}", "line 1: expected name:sha256"),
        (f"{'a' * 65}:{DIGEST}", "line 1: expected name:sha256"),
        ("alice:my-secret", "line 1: expected the SHA-256 of the secret"),
        (f"alice:{DIGEST}0", "line 1: expected the SHA-256 of the secret"),
        (f"alice:{DIGEST}:0", "line 1: expected nothing after the SHA-256, or a colon and the requests per second"),
        (f"alice:{DIGEST}:fast", "line 1: expected nothing after"),
        (f"alice:{DIGEST}:-1", "line 1: expected nothing after"),
        (f"alice:{DIGEST}:nan", "line 1: expected nothing after"),
        (f"alice:{DIGEST}:1:2", "line 1: expected nothing after"),
        (f"alice:{DIGEST}\nalice:{'1' * 64}", "line 2: this name or secret is used by an earlier line"),
        (f"alice:{DIGEST}\nbob:{DIGEST}", "line 2: this name or secret is used by an earlier line"),
        ("# nobody\n", "has no key; make one with python -m review_scorer.access.api_keys NAME"),
        ("名前:1", "is not plain ASCII"),
    ],
)
def test_the_error_names_the_invalid_line_without_showing_it(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(ApiKeysError, match=message) as refused:
        read_keys(tmp_path / "keys")
    assert "my-secret" not in str(refused.value)
    assert DIGEST not in str(refused.value)


def test_spaces_windows_line_ends_and_capital_letters_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(f"  alice:{'AB' * 32}:2.5 \r\n\r\n# x\r\nbob:{DIGEST}".encode())
    assert [(key.name, key.digest[:1], key.rate) for key in read_keys(tmp_path / "keys")] == [
        ("alice", b"\xab", 2.5),
        ("bob", b"\0", None),
    ]


def test_a_start_with_an_invalid_file_ends_with_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("alice:my-secret\n")
    process = gunicorn(tiny_bundle, PORT=str(free_port()), API_KEYS_FILE=str(tmp_path / "keys"))
    lines = [line for line in process.communicate(timeout=20)[0].splitlines() if not line.startswith("{")]
    assert process.returncode != 0
    assert lines == [
        f"review-scorer: {tmp_path}/keys, line 1: expected the SHA-256 of the secret after the name (64 hex digits)"
    ]


def test_the_command_makes_a_key_that_is_accepted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "review_scorer.access.api_keys", "carol", "--rate", "2.5"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (tmp_path / "keys").write_text(made.stdout)
    secret = made.stderr.splitlines()[0].rpartition(" ")[2]
    assert len(secret) >= 43
    assert secret not in made.stdout
    assert ApiKeyStore(tmp_path / "keys", RateLimiter()).authenticate(f"Bearer {secret}".encode()) == "carol"


@pytest.mark.parametrize("arguments", [["a b"], ["a", "--rate", "often"], []])
def test_the_command_refuses_an_invalid_name_or_rate(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
