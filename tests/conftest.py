"""What tests share: the embedded corpus, a tiny bundle and the default one, both really trained."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from review_training.runs import train
from tests.support.running import ROOT, Server, serving

REVIEWS = ROOT / "train-corpus" / "reviews.csv"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With NO_SKIPS set, a skipped test is a failure: the machine was to have all that tests want."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("NO_SKIPS") and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def reviews() -> list[dict[str, str]]:
    """The rows of the embedded corpus."""
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def tiny_corpus(reviews: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth review of the embedded corpus: enough to learn something, quick to train."""
    path = tmp_path_factory.mktemp("corpus") / "tiny.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["points", "texts", "domain"])
        writer.writeheader()
        writer.writerows(reviews[::12])
    return path


@pytest.fixture(scope="session")
def tiny_bundle(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the tiny corpus; not to be changed."""
    path = tmp_path_factory.mktemp("tiny") / "bundle"
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(path), "--no-seed-corpus"]) == 0
    return path


@pytest.fixture(scope="session")
def default_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that ``make run`` trains; not to be changed."""
    path = tmp_path_factory.mktemp("default") / "bundle"
    assert train.main(["--corpus", str(REVIEWS), "--bundle", str(path), "--group-column", "domain"]) == 0
    return path


@pytest.fixture(scope="session")
def server(tiny_bundle: Path) -> Iterator[Server]:
    """A server with two preloaded workers and short deadlines, over the tiny bundle."""
    with serving(tiny_bundle, READ_BODY_TIMEOUT="1") as running:
        yield running
