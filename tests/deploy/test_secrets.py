"""No secrets in the repository, the image or the manifests, and no internals in error responses."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
import yaml

from review_scorer.app import create_app
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Scorer
from review_scorer.settings import Settings
from tests.support import manifests
from tests.support.running import ROOT, Server

SECRET = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of a cloud": r"\b(?:AKIA[0-9A-Z]{16}|AIza[\w-]{35})\b",
    "a token": r"\b(?:gh[pousr]_\w{36}|xox[abp]-[\w-]{20,}|eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,})\b",
    "a password in an address": r"\b[a-z]+://[^\s/:@{}$\"'`]+:[^\s/:@{}$\"'`]{4,}@",
}
# Names of variables that hold a secret, as opposed to a file or the name of a Secret.
SECRETIVE = re.compile(r"(?i)(password|passwd|secret|token|api_?key|credential)s?$")
TELLTALE = re.compile(
    r"(?i)traceback|\.py\b|line \d+|site-packages|/home/|/tmp/|/app\b|0x[0-9a-f]{6,}|uvicorn|falcon|msgspec|lightgbm"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("pattern", SECRET.values(), ids=SECRET)
def test_no_file_has_a_secret(pattern: str) -> None:
    for path in tracked():
        assert path.suffix not in {".pem", ".key", ".p12", ".pfx", ".env"}, path
        found = re.search(pattern, path.read_text(encoding="utf-8", errors="ignore"))
        assert not found or path == Path(__file__), path


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        ("a private key", "-----BEGIN EC " + "PRIVATE KEY-----"),
        ("a key of a cloud", "AKIA" + "A" * 16),
        ("a token", "ghp_" + "a" * 36),
        ("a password in an address", "redis://scorer:" + "hunter2@redis"),
    ],
)
def test_a_secret_is_detected(pattern: str, example: str) -> None:
    assert re.search(SECRET[pattern], f"x = '{example}'")


@pytest.mark.parametrize("tree", manifests.kustomizations())
def test_no_manifest_has_a_secret(tree: str) -> None:
    for document in manifests.render(ROOT / tree):
        assert document["kind"] != "Secret", "a Secret is made by who has it, and is not written here"
        if document["kind"] in manifests.POD_MAKERS:
            for container in [each for pod in manifests.pods_of(document) for each in manifests.containers(pod)]:
                assert not [
                    each for each in container.get("env", []) if SECRETIVE.search(each["name"]) and "value" in each
                ]


def test_the_image_and_compose_have_no_secrets() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    named = re.findall(r"(?m)^(?:ARG|ENV)\s+(\w+)|^\s+(\w+)=", dockerfile)
    assert named
    assert not [name for pair in named for name in pair if SECRETIVE.search(name)]
    # Build secrets are mounted, so that no layer has them.
    assert not re.findall(r"(?m)^COPY (?!--from).*\b(?:pip\.conf|\.netrc|\.git|\.env|\.)\s", dockerfile)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert not [name for name in service.get("environment", {}) if SECRETIVE.search(name)]


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/nowhere", {}),
    ("GET", "/page/../../app.py", {}),
    ("GET", "/page/%2e%2e%2fapp.py", {}),
    ("GET", "/docs/%2fetc%2fpasswd", {}),
    ("PATCH", "/healthz", {}),
    ("POST", "/api/1/scores", {"content": b"{"}),
    ("POST", "/api/1/scores", {"content": b"\xff"}),
    ("POST", "/api/1/scores", {"content": b'{"texts": 5}'}),
    ("POST", "/api/1/scores", {"content": b'{"texts": "' + b"\\ud800" + b'"}'}),
    ("POST", "/api/1/scores", {"content": b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b',"texts":"a"}'}),
    ("POST", "/api/1/scores", {"content": b'{"texts": "a\\u0000b"}'}),
    ("POST", "/api/1/scores", {"content": b'{"texts": "a"' + b" " * 2_000_000}),
    ("POST", "/api/1/explain", {"content": b"[]"}),
    ("GET", "/api/1/scores?texts=%ff", {}),
    ("GET", "/healthz", {"headers": {"X-Long": "a" * 70_000}}),
]


@pytest.mark.parametrize(("method", "path", "more"), ASKED, ids=range(len(ASKED)))
def test_errors_reveal_no_internals(server: Server, method: str, path: str, more: dict[str, Any]) -> None:
    answer = server.client.request(method, path, **more)
    assert 400 <= answer.status_code < 500
    reason = answer.json()["error"]["reason"].replace(path, "").replace("app.py", "")
    assert not TELLTALE.search(reason)
    assert not [value for value in answer.headers.values() if TELLTALE.search(value)]


def test_a_bug_reveals_no_internals(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"{Path(__file__)}: the password is swordfish")

    scorer = load(tiny_bundle).scorer
    client = falcon.testing.TestClient(create_app(scorer, probe="良い", facts={}, settings=Settings()))
    monkeypatch.setattr(Scorer, "check_all", broken)
    answer = client.simulate_post("/api/1/scores", body=json.dumps({"texts": ["良い"]}))
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal"
    assert not TELLTALE.search(answer.text)
    assert "swordfish" not in answer.text
