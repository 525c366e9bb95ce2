"""What holds for the files of the project themselves."""

import re
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from imports import imported
from running import ROOT

WEB = {"falcon", "gunicorn", "uvicorn", "kubernetes", "logging", "msgspec"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("name", ["serving", "training", "distributed", "stress", "development"])
def test_every_requirement_is_locked_with_hashes_and_without_addresses(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text()
    requirements = re.split(r"\n(?=[a-z])", lock.strip())
    assert all(re.match(r"[a-z0-9._-]+==", requirement) for requirement in requirements)
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "://" not in lock
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", lock)


def test_serving_installs_nothing_that_only_training_needs() -> None:
    lock = (ROOT / "requirements" / "serving.txt").read_text()
    for name in ("scikit-learn", "pandas", "pyarrow", "kubernetes", "pytest", "scipy", "tqdm"):
        assert not re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_the_heart_knows_no_web_no_environment_and_no_logging() -> None:
    for module in (ROOT / "service" / "scoring").glob("*.py"):
        imports = re.findall(r"^(?:from|import) (\S+)", module.read_text(), re.MULTILINE)
        for name in imports:
            assert name.split(".")[0] not in WEB, module
            assert not name.startswith("service") or name.startswith("service.scoring"), module
        assert "os.environ" not in module.read_text(), module


def test_serving_imports_nothing_of_training() -> None:
    scripts = {path.stem for path in (ROOT / "train-corpus").glob("*.py")}
    for module in (ROOT / "service").rglob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(), re.MULTILINE)
        assert not scripts & set(imports), module


def test_no_part_of_the_service_imports_another_that_imports_it() -> None:
    service = ROOT / "service"
    arrows: dict[str, set[str]] = {}
    for module in service.rglob("*.py"):
        part, *_ = module.relative_to(service).parts
        others = {file.relative_to(service).parts[0] for file in imported(module)}
        arrows.setdefault(part, set()).update(others - {part, "__init__.py"})
    assert arrows["http"]
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the parts


def test_nothing_is_pickled() -> None:
    for path in tracked():
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".dill"}
        if path.suffix == ".py" and path != Path(__file__):
            assert not re.search(r"^\s*(?:import|from) (?:pickle|joblib|dill)\b", path.read_text(), re.MULTILINE), path


def test_both_readmes_show_the_two_commands() -> None:
    for name in ("README.md", "README.ja.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make run" in text
        assert "make test" in text
