"""Who imports whom."""

import ast
from pathlib import Path

from running import ROOT


def imported(file: Path) -> set[Path]:
    """Return the files of `service` that a file imports, wherever in it."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
    paths = [ROOT / name.replace(".", "/") for name in names if name.split(".")[0] == "service"]
    files = {path.with_suffix(".py") for path in paths} | {path / "__init__.py" for path in paths}
    return {file for file in files if file.exists()}
