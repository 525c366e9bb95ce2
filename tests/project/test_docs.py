"""The documents agree with the code: paths that they name exist, tables of the READMEs list what there is."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from review_scorer.errors import STATUS
from review_scorer.settings import PREFIX, Settings
from tests.support.readme import READMES
from tests.support.running import ROOT

DOCUMENTS = [
    *(
        ROOT / name
        for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "k8s/README.md", "train-corpus/README.md")
    ),
    *(*READMES, *sorted((ROOT / "docs").rglob("*.md"))),
]
# Folders that a path in a document may be relative to.
FOLDERS = (
    ROOT,
    ROOT / "service",
    *(ROOT / "service" / "review_scorer", ROOT / "train-corpus", ROOT / "train-corpus" / "review_training"),
    ROOT / "k8s",
)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
FILE = re.compile(r"`([\w./-]+(?:\.(?:py|md|toml|txt|yaml|js|html)|/))`")
# What a command writes, an example, or the name of a class of files.
NOT_TRACKED = re.compile(r"^(build/|model-card|manifest\.json|vocabulary\.txt|booster\.txt|gs://)|NAME")
# Only /v2 answers with these, and there no code is named.
NOT_SHOWN = {"tensor_invalid", "encoding_invalid"}


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert not [link for link in LINK.findall(text) if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_in_sentences_exist(document: Path) -> None:
    paths = set(FILE.findall(document.read_text(encoding="utf-8")))
    wanted = {path for path in paths if "/" in path.rstrip("/") and not NOT_TRACKED.search(path)}
    assert not {path for path in wanted if not any((folder / path).exists() for folder in FOLDERS)}


def test_contributing_names_every_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "service" / "review_scorer").glob("*/__init__.py")}
    assert not {package for package in packages if f"| `{package}/` |" not in text}


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_the_table_of_settings_lists_all_with_their_defaults(readme: Path) -> None:
    rows = re.findall(r"^\| (`SCORER_.*?) \| (.*?) \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    names, defaults = [], []
    for variables, values in rows:
        names += re.findall(rf"`{PREFIX}(\w+)`", variables)
        defaults += re.split("[,、] ?", values) if variables.count("`") > 2 else [values]
    assert sorted(names) == sorted(field.name.upper() for field in fields(Settings))
    settings = Settings()
    for variable, shown in zip(names, defaults, strict=True):
        value = getattr(settings, variable.lower())
        if shown.startswith("`") and variable != "PUBLIC_PATHS":
            assert shown.strip("`") in {str(value), f"{value:g}" if isinstance(value, float) else "", "on"}, variable


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_the_table_of_codes_lists_all_with_their_statuses(readme: Path) -> None:
    shown = dict[str, set[str]]()
    for statuses, codes in re.findall(r"^\| (\d{3}.*?) \| (.*) \|$", readme.read_text(encoding="utf-8"), re.MULTILINE):
        for code in re.findall(r"`(\w+)`", codes):
            shown[code] = set(re.findall(r"\d{3}", statuses))
    assert shown.keys() - {"v2"} == STATUS.keys() - NOT_SHOWN
    assert not {code for code, status in STATUS.items() if code in shown and str(status) not in shown[code]}


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_every_metric_in_the_readmes_is_one_of_the_code(readme: Path) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "service").rglob("telemetry/*.py"))
    strings = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    shown = set(re.findall(r"`(scorer_[a-z_]+)", readme.read_text(encoding="utf-8")))
    for metric in shown:
        bare = metric.removesuffix("_total").removesuffix("_info")
        assert {bare, bare.removeprefix("scorer_")} & strings or bare.endswith("_psi"), metric


@pytest.mark.parametrize("document", [*READMES, ROOT / "k8s" / "README.md"], ids=name)
def test_every_overlay_is_listed(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for overlay in (ROOT / "k8s" / "overlays").iterdir():
        assert f"overlays/{overlay.name}" in text or f"`{overlay.name}`" in text or overlay.name == "dev", overlay.name
