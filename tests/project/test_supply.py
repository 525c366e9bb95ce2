"""The software bill of materials and the vulnerability audit."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from tests.support.running import ROOT, free_port

LOCKED = dict(re.findall(r"(?m)^([a-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements" / "serving.txt").read_text()))
# The requirements for this Python version: the audit covers what would be installed.
NEEDED = {
    each.name
    for each in map(Requirement, re.findall(r"(?m)^\w[^\\\n]*", (ROOT / "requirements" / "serving.txt").read_text()))
    if each.marker is None or each.marker.evaluate()
}
ADVISORY = {
    "id": "EXAMPLE-1",
    "affected": [
        {
            "package": {"name": "falcon", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"requirements/{script}.py", *arguments]
    environ = {**os.environ, "http_proxy": "", "no_proxy": "*"}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def bill(tmp_path: Path, *packages: str) -> dict[str, Any]:
    ended = run("sbom", str(tmp_path / "sbom.json"), *packages)
    assert ended.returncode == 0, ended.stderr
    written = (tmp_path / "sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    found: dict[str, Any] = json.loads(written)
    return found


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The components of the bill without an image."""
    found: list[dict[str, Any]] = bill(tmp_path_factory.mktemp("bill"))["components"]
    return found


def test_the_bill_lists_every_locked_package_with_version_and_hashes(components: list[dict[str, Any]]) -> None:
    packages = {each["name"]: each for each in components if each["purl"].startswith("pkg:pypi/")}
    assert {name: each["version"] for name, each in packages.items()} == LOCKED
    assert all(each["externalReferences"][0]["hashes"] for each in packages.values())


def test_without_an_image_the_bill_lists_the_base_image_and_its_packages(components: list[dict[str, Any]]) -> None:
    purls = {each["purl"] for each in components}
    assert {purl for purl in purls if not purl.startswith("pkg:pypi/")} == {
        "pkg:docker/python@3.11-slim-bookworm",
        "pkg:deb/debian/libgomp1",
    }


def test_with_an_image_the_bill_lists_all_debian_packages(tmp_path: Path) -> None:
    (tmp_path / "packages.tsv").write_text("libgomp1:amd64\t12.2.0-14+deb12u1\ntzdata\t2026a-0+deb12u1\n")
    purls = {each["purl"] for each in bill(tmp_path, str(tmp_path / "packages.tsv"))["components"]}
    assert {purl for purl in purls if purl.startswith("pkg:deb/")} == {
        "pkg:deb/debian/libgomp1@12.2.0-14%2Bdeb12u1?arch=amd64",
        "pkg:deb/debian/tzdata@2026a-0%2Bdeb12u1",
    }


@contextmanager
def advising(answers: dict[str, Any]) -> Iterator[list[str]]:
    """Serve advisories by package; yield the options that let pip-audit use this server."""

    class Advisories(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answers.get(asked["package"]["name"], {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield options(server.server_port)
        server.shutdown()


def options(port: int) -> list[str]:
    return ["--", "--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{port}/v1/query"]


@pytest.mark.parametrize(
    ("answers", "status", "message"),
    [
        ({}, 0, f"{len(NEEDED)} packages, no known vulnerabilities"),
        ({"falcon": {"vulns": [ADVISORY]}}, 1, f"falcon {LOCKED['falcon']} has EXAMPLE-1; fixed in 99"),
    ],
)
def test_the_audit_reports_vulnerabilities(answers: dict[str, Any], status: int, message: str) -> None:
    with advising(answers) as asked:
        ended = run("audit", "requirements/serving.txt", *asked)
    assert ended.returncode == status, ended.stderr
    assert message in ended.stdout


def test_an_audit_without_answers_fails() -> None:
    ended = run("audit", "requirements/serving.txt", *options(free_port()))
    assert ended.returncode == 2
    assert "no known vulnerabilities" not in ended.stdout
