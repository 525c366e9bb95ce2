"""Failed workers are replaced, and a start that fails says why in one line."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.crowd import crowd
from tests.support.running import free_port, gunicorn, serving, wait_for_workers

SINGLE = json.dumps({"texts": "部屋は狭いけれど朝食が美味しかった。"}).encode()


def test_a_killed_worker_is_replaced_and_only_its_current_requests_fail(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        with crowd(server, [SINGLE], clients=8) as met:
            time.sleep(0.3)
            killed = wait_for_workers(server)[0]
            os.kill(killed, signal.SIGKILL)
            wait_for_workers(server, without=[killed], seconds=5)
            time.sleep(0.3)
        # Each client has at most one request at a time.
        assert len(met.failures) <= 8
        assert set(met.answers) == {200}


def test_a_stuck_worker_is_replaced(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, WORKER_TIMEOUT="4") as server:
        stuck = wait_for_workers(server)[0]
        os.kill(stuck, signal.SIGSTOP)
        wait_for_workers(server, without=[stuck])
        for _ in range(10):
            assert httpx.post(f"{server.url}/api/1/scores", content=SINGLE).status_code == 200


def start(bundle: Path, **settings: str) -> str:
    """The one line of a start that must fail."""
    process = gunicorn(bundle, **{"PORT": str(free_port()), **settings})
    output = process.communicate(timeout=20)[0]
    assert process.returncode != 0
    (line,) = [line for line in output.splitlines() if not line.startswith("{")]
    assert line.startswith("review-scorer: ")
    return line


def test_a_port_in_use_is_named_at_once(tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        started = time.monotonic()
        line = start(tiny_bundle, PORT=str(port))
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in line
    assert "SCORER_PORT" in line
    assert time.monotonic() - started < 5


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unreadable(path: Path) -> None:
    # A directory, because root can read a file of any mode.
    path.unlink()
    path.mkdir()


def of_another_dictionary(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["dictionary"] = {"name": "unidic", "fingerprint": "0" * 64}
    path.write_text(json.dumps(manifest))


def of_an_older_format(path: Path) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format": 1}))


@pytest.mark.parametrize(
    ("spoil", "name", "message"),
    [
        (truncate, "manifest.json", "is not JSON"),
        (truncate, "booster.txt", "SHA-256 differs"),
        (unreadable, "vocabulary.txt", "cannot read"),
        (unreadable, "manifest.json", "cannot read"),
        (of_another_dictionary, "manifest.json", "was trained with the dictionary unidic"),
        (of_an_older_format, "manifest.json", "train it again with this version: make train CORPUS="),
        (lambda path: shutil.rmtree(path.parent), "manifest.json", "no bundle at"),
    ],
)
def test_a_bundle_that_cannot_be_loaded_is_named(
    tiny_bundle: Path, tmp_path: Path, spoil: Callable[[Path], None], name: str, message: str
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    spoil(bundle / name)
    line = start(bundle)
    assert message in line
    assert str(bundle) in line


def test_a_limit_below_the_length_of_the_probe_review_is_named(tiny_bundle: Path) -> None:
    assert "SCORER_MAX_CHARS=1 is too low for the probe review of" in start(tiny_bundle, MAX_CHARS="1")
