"""Rules for the files of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("name", ["serving", "build", "training", "distributed", "stress", "development"])
def test_every_requirement_is_locked_with_hashes_and_without_urls(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text()
    requirements = re.split(r"\n(?=[a-z])", lock.strip())
    assert all(re.match(r"[a-z0-9._-]+==", requirement) for requirement in requirements)
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "://" not in lock
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", lock)


def test_serving_has_no_requirements_of_training() -> None:
    lock = (ROOT / "requirements" / "serving.txt").read_text()
    for name in ("scikit-learn", "pandas", "pyarrow", "kubernetes", "pytest", "scipy", "tqdm"):
        assert not re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_nothing_is_pickled() -> None:
    for path in tracked():
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".dill"}
        if path.suffix == ".py" and path != Path(__file__):
            assert not re.search(r"^\s*(?:import|from) (?:pickle|joblib|dill)\b", path.read_text(), re.MULTILINE), path


def test_both_readmes_have_the_two_commands() -> None:
    for name in ("README.md", "README.ja.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make run" in text
        assert "make test" in text


def test_the_pre_commit_configuration_is_valid_and_needs_no_network() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert re.findall(r"repo: (.*)", (ROOT / ".pre-commit-config.yaml").read_text()) == ["local"]
