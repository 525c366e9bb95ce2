"""Rollouts, against an HTTPS server that answers like the Kubernetes API."""

import copy
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from review_scorer.scoring.bundle import load
from review_training.feedback_loop import rollout

PATH = "/apis/apps/v1/namespaces/shop/deployments/review-scorer"


class Api(HTTPServer):
    """An API with one Deployment, whose generation counts its changes."""

    def __init__(self, certificate: Path) -> None:
        self.deployment: dict[str, Any] = {"generation": 1, "annotations": {"kept": "yes"}}
        self.allowed = True
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.headers["Authorization"] == "Bearer secret" and self.path == PATH
        right &= self.headers["Content-Type"] == "application/strategic-merge-patch+json"
        if not (right and self.server.allowed):
            self.answer(403, {"kind": "Status", "message": "deployments is forbidden"})
            return
        before = copy.deepcopy(self.server.deployment["annotations"])
        self.server.deployment["annotations"] |= body["spec"]["template"]["metadata"]["annotations"]
        self.server.deployment["generation"] += before != self.server.deployment["annotations"]
        self.answer(200, self.server.deployment)

    def answer(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a pod's service account, and the key of the API beside them."""
    path = tmp_path_factory.mktemp("account")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(path / "key.pem"), "-out", str(path / "ca.crt")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    (path / "both.pem").write_text((path / "key.pem").read_text() + (path / "ca.crt").read_text())
    (path / "token").write_text("secret\n")
    (path / "namespace").write_text("shop")
    return path


@pytest.fixture
def api(account: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with Api(account / "both.pem") as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
        yield server
        server.shutdown()


def run(bundle: Path, account: Path) -> int:
    return rollout.main(["--bundle", str(bundle), "--deployment", "review-scorer", "--account", str(account)])


def test_a_new_bundle_starts_a_rollout_and_the_same_one_does_not(
    api: Api, account: Path, tiny_bundle: Path, default_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bundle, generation in ((tiny_bundle, 2), (tiny_bundle, 2), (default_bundle, 3)):
        assert run(bundle, account) == 0
        digest = load(bundle).digest
        assert api.deployment == {
            "generation": generation,
            "annotations": {"kept": "yes", "review-scorer/bundle": digest},
        }
        assert capsys.readouterr().out == f"review-scorer serves the bundle {digest[:12]} from its next pods on\n"


def test_a_broken_bundle_is_not_rolled_out(
    api: Api, account: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    (broken / "idf.npy").write_bytes(b"")
    assert run(broken, account) == 2
    assert "was modified or is damaged" in capsys.readouterr().err
    assert api.deployment["generation"] == 1


def test_a_refusal_is_reported_in_one_line(
    api: Api, account: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.allowed = False
    assert run(tiny_bundle, account) == 2
    assert capsys.readouterr().err == "rollout.py: the Kubernetes API refused: 403: deployments is forbidden\n"


def test_the_token_is_not_sent_to_an_api_with_another_certificate(
    api: Api, account: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(account, tmp_path / "other"))
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout /dev/null -out"
    subprocess.run([*command.split(), other / "ca.crt"], check=True, capture_output=True)
    assert run(tiny_bundle, other) == 2
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err
    assert api.deployment["generation"] == 1


def test_running_outside_a_cluster_is_reported(
    account: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert run(tiny_bundle, account) == 2
    assert capsys.readouterr().err.startswith("rollout.py: not in a pod of a cluster")
