"""Layers of the code: allowed imports between packages, and the maximum size of a package."""

import shutil
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.imports import PACKAGES, imported
from tests.support.running import ROOT

SCORER: Mapping[str, set[str]] = {
    "app": {
        *("access", "api", "asgi", "capacity", "errors", "prediction_log", "scoring", "server", "settings"),
        "telemetry",
    },
    "api": {"access", "asgi", "capacity", "errors", "prediction_log", "scoring", "server", "tables", "telemetry"},
    "server": {"asgi", "capacity", "errors", "settings"},
    "access": {"errors", "telemetry"},
    "telemetry": {"asgi", "capacity", "errors", "prediction_log", "scoring", "settings"},
    "prediction_log": {"capacity", "scoring"},
    "capacity": {"errors"},
    "batch": {"compute", "corpora", "scoring", "settings", "tables"},
    "corpora": {"scoring", "tables"},
    "tables": {"scoring"},
    "compute": set(),
    "healthcheck": {"settings"},
    "settings": {"compute"},
    "errors": set(),
    "asgi": set(),
    "scoring": set(),
}
"""Allowed imports between the parts of ``review_scorer``."""

TRAINING: Mapping[str, set[str]] = {
    "feedback_loop": {"command", "corpus", "evaluation", "runs"},
    "runs": {"card", "command", "corpus", "evaluation", "model", "shards"},
    "export": {"command", "corpus"},
    "card": {"corpus", "evaluation", "model"},
    "evaluation": {"command", "corpus", "model", "shards"},
    "model": {"corpus", "shards"},
    "lexicon": {"command"},
    "corpus": {"shards"},
    "shards": set(),
    "command": set(),
}
TRAINING_IMPORTS = {"compute", "corpora", "prediction_log", "scoring", "tables"}
"""Parts of ``review_scorer`` that ``review_training`` may import; ``prediction_log`` for the format of its entries."""

STRESS: Mapping[str, set[str]] = {
    "command": {"arguments", "kubernetes", "load", "results", "target"},
    "arguments": {"load", "measurement"},
    "results": {"kubernetes", "load", "measurement"},
    "load": {"measurement"},
    "kubernetes": {"target"},
    "measurement": set(),
    "target": set(),
}
RULES = {"review_scorer": SCORER, "review_training": TRAINING, "review_stress": STRESS}

# Not imported by scoring, so that training and notebooks can use it.
WEB = {"falcon", "gunicorn", "uvicorn", "kubernetes", "logging", "msgspec", "os.environ"}
MOST_MODULES = 14


def arrows(name: str, packages: Mapping[str, Path]) -> dict[tuple[str, str], set[str]]:
    """Return the imports between parts, of this package and others, with the importing modules."""
    found: dict[tuple[str, str], set[str]] = {}
    root = packages[name]
    for module in root.rglob("*.py"):
        part = module.relative_to(root).with_suffix("").parts[0]
        for other in imported(module, packages):
            package = next(each for each, path in packages.items() if path in other.parents)
            target = other.relative_to(packages[package]).with_suffix("").parts[0]
            if (package, target) != (name, part) and target != "__init__":
                found.setdefault((part, f"{package}.{target}"), set()).add(str(module.relative_to(root)))
    return found


def check(name: str, packages: Mapping[str, Path] = PACKAGES) -> None:
    """Raise ``AssertionError`` if a part of the package ``name`` has an import that is not allowed."""
    rules = RULES[name]
    for (part, target), modules in arrows(name, packages).items():
        package, _, other = target.partition(".")
        if package == name:
            allowed = rules[part]
        else:
            allowed = TRAINING_IMPORTS if (name, package) == ("review_training", "review_scorer") else set()
        assert other in allowed, f"{name}.{part} must not import {target}: {sorted(modules)}"


@pytest.mark.parametrize("name", RULES)
def test_each_part_imports_only_lower_parts(name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", RULES)
def test_the_rules_are_acyclic_and_complete(name: str) -> None:
    TopologicalSorter(RULES[name]).prepare()  # raises CycleError, which names the parts
    there = {path.stem for path in PACKAGES[name].iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__"} == set(RULES[name])


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("review_scorer/scoring/text.py", "from review_scorer.errors import RequestError"),
        ("review_scorer/capacity/queue.py", "from review_scorer.api import scores"),
        ("review_scorer/server/body.py", "import review_training.model.fit"),
        ("review_training/corpus/load.py", "from review_training.runs.train import main"),
        ("review_training/model/fit.py", "from review_scorer.api import scores"),
        ("review_stress/target.py", "from review_scorer.errors import RequestError"),
    ],
)
def test_a_forbidden_import_is_found(module: str, line: str, tmp_path: Path) -> None:
    packages = {name: tmp_path / name for name in PACKAGES}
    for name, path in PACKAGES.items():
        shutil.copytree(path, packages[name], ignore=shutil.ignore_patterns("__pycache__", "page", "swagger"))
    broken = tmp_path / module
    broken.write_text(f"{broken.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="must not import"):
        check(module.split("/", maxsplit=1)[0], packages)


def test_there_are_no_circular_imports() -> None:
    modules = [module for root in PACKAGES.values() for module in root.rglob("*.py") if module.name != "__init__.py"]
    graph = {module: {other for other in imported(module) if other.name != "__init__.py"} for module in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(path.stem for path in error.args[1]))


def test_no_package_has_too_many_modules() -> None:
    for root in (*PACKAGES.values(), ROOT / "tools"):
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(modules) <= MOST_MODULES, folder


def test_an_init_has_only_a_docstring() -> None:
    for root in PACKAGES.values():
        for path in root.rglob("__init__.py"):
            if path.parent != PACKAGES["review_scorer"]:  # has the version
                lines = path.read_text(encoding="utf-8")
                assert lines.strip().startswith('"""'), path
                assert "import" not in lines.split('"""')[2], path


def test_scoring_imports_no_web_framework_environment_or_logging() -> None:
    for module in (PACKAGES["review_scorer"] / "scoring").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        assert not [name for name in WEB if f"import {name}" in text or f"from {name}" in text], module
        assert "os.environ" not in text, module
