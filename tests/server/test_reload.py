"""Restarts and reloads lose no request."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import httpx

from review_scorer.scoring.bundle import load
from tests.support.crowd import crowd
from tests.support.running import ROOT, Server, serving, wait_for_workers
from tests.support.scraping import wait_for_failed_reload

SINGLE = json.dumps({"texts": "部屋は狭いけれど朝食が美味しかった。"}).encode()
DETAIL = {"texts": "部屋は狭いけれど朝食が美味しかった。", "detail": True}


def digest(server: Server) -> str:
    answer: str = httpx.get(f"{server.url}/version").json()["bundle"]["digest"]
    return answer


def swap_in(bundle: Path, served: Path) -> None:
    """Point the link ``served`` to ``bundle``, atomically."""
    link = served.with_suffix(".new")
    link.symlink_to(bundle)
    link.rename(served)


def less_certain(bundle: Path, copy: Path) -> Path:
    """A copy of the bundle with wider intervals."""
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["intervals"]["low"] = [-3.0] * len(manifest["intervals"]["low"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_hup_loads_a_new_bundle_without_a_failed_request(tiny_bundle: Path, tmp_path: Path) -> None:
    served, other = tmp_path / "served", less_certain(tiny_bundle, tmp_path / "other")
    swap_in(tiny_bundle, served)
    with serving(served) as server:
        old, before = wait_for_workers(server), server.client.post("/api/1/scores", json=DETAIL).json()
        server.client.close()
        with crowd(server, [SINGLE], clients=6) as met:
            time.sleep(0.3)
            swap_in(other, served)
            server.process.send_signal(signal.SIGHUP)
            wait_for_workers(server, without=old)
            time.sleep(0.3)
        assert met.failures == []
        assert set(met.answers) == {200}
        assert {digest(server) for _ in range(10)} == {load(other).digest} != {load(tiny_bundle).digest}
        after = httpx.post(f"{server.url}/api/1/scores", json=DETAIL).json()
        assert after["score"] == before["score"]
        assert after["interval"][0] < before["interval"][0]


def test_hup_with_an_invalid_bundle_is_logged_and_the_old_bundle_stays(tiny_bundle: Path, tmp_path: Path) -> None:
    served, broken = tmp_path / "served", shutil.copytree(tiny_bundle, tmp_path / "broken")
    with (broken / "booster.txt").open("a") as file:
        file.write("tree")
    swap_in(tiny_bundle, served)
    with serving(served, LOG="off") as server:  # the request log would fill the pipe, which is read only at the end
        old = wait_for_workers(server)
        with crowd(server, [SINGLE], clients=6) as met:
            swap_in(broken, served)
            server.process.send_signal(signal.SIGHUP)
            wait_for_failed_reload(server)
        assert met.failures == []
        assert set(met.answers) == {200}
        assert server.workers() == old
        assert digest(server) == load(tiny_bundle).digest
        # A valid bundle can be loaded afterwards.
        swap_in(tiny_bundle, served)
        server.process.send_signal(signal.SIGHUP)
        wait_for_workers(server, without=old)
        server.client.close()
        server.process.terminate()
        output = server.process.communicate(timeout=30)[0]
    (line,) = [line for line in output.splitlines() if "ERROR:" in line]
    assert "reload failed, still serving the previous bundle" in line
    assert "booster.txt was modified or is damaged (SHA-256 differs)" in line
    assert "Traceback" not in output


def test_hup_with_an_invalid_configuration_does_not_stop_the_service(tiny_bundle: Path, tmp_path: Path) -> None:
    whole = (ROOT / "service" / "gunicorn.conf.py").read_text()
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(whole)
    with serving(tiny_bundle, configuration=str(configuration)) as server:
        old = wait_for_workers(server)
        configuration.write_text("workers = many")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert server.client.post("/api/1/scores", content=SINGLE).status_code == 200
        assert server.workers() == old
        configuration.write_text(whole)
        server.process.send_signal(signal.SIGHUP)
        wait_for_workers(server, without=old)


def test_term_under_load_loses_no_request_and_closes_connections_after_a_response(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, DRAIN_SECONDS="0.5") as server:
        server.client.close()
        with crowd(server, [SINGLE], clients=8, stay=False) as met:
            time.sleep(0.5)
            server.process.terminate()
            assert server.process.wait(timeout=20) == 0
        assert met.failures == []
        assert set(met.answers) == {200}
        assert met.closed == 8


def test_a_worker_that_is_stopped_finishes_its_list(tiny_bundle: Path) -> None:
    texts = ["部屋は狭いけれど朝食が美味しかった。" * 5] * 1_000
    with serving(tiny_bundle, QUEUE_TIMEOUT="5") as server:  # this is not about overload
        server.client.close()
        with crowd(server, [json.dumps({"texts": texts}).encode()], clients=4, stay=False) as met:
            time.sleep(0.1)
            for worker in wait_for_workers(server):
                os.kill(worker, signal.SIGTERM)
            time.sleep(1)
        assert met.failures == []
        assert set(met.answers) == {200}
