"""Import graph of the project."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.running import ROOT

PACKAGES: Mapping[str, Path] = {
    "review_scorer": ROOT / "service" / "review_scorer",
    "review_training": ROOT / "train-corpus" / "review_training",
    "review_stress": ROOT / "stress" / "review_stress",
}


def imported(file: Path, packages: Mapping[str, Path] = PACKAGES) -> set[Path]:
    """Return the files of ``packages`` that ``file`` imports, including imports in functions."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
    found = set[Path]()
    for name in names:
        package, *parts = name.split(".")
        if package in packages:
            path = packages[package].joinpath(*parts)
            found |= {path.with_suffix(".py"), path / "__init__.py"}
    return {path for path in found if path.exists()}


def closure(files: Iterable[Path]) -> set[Path]:
    """Return ``files`` and all files of the project that they import, directly or indirectly."""
    found, new = set[Path](), set(files)
    while new:
        found |= new
        new = {other for file in new for other in imported(file)} - found
    # Importing a module also runs the __init__ of its packages.
    return found | {
        parent / "__init__.py" for file in found for parent in file.parents if (parent / "__init__.py").exists()
    }
