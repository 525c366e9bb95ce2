"""Fixtures of all tests: the seed corpus, a tiny bundle and the default bundle, both really trained."""

import csv
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import trained
from tests.support.running import ROOT, Server, serving
from tests.support.slow import is_slow

REVIEWS = ROOT / "train-corpus" / "reviews.csv"


def pytest_configure() -> None:
    """Make the tests independent of how they are started, since child processes inherit signals and variables.

    Background jobs of a shell ignore SIGINT and SIGQUIT; make passes variables of its command line to any other make.
    """
    for name in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", *re.findall(r"(\w+)=", os.environ.get("MAKEFLAGS", ""))}:
        os.environ.pop(name, None)
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Return a fixed id for gzip data, which has a timestamp: pytest-xdist needs the same ids in all processes."""
    return "gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that ``make quick`` leaves out."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a test was skipped and NO_SKIPS is set, as on a machine with all system packages."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("NO_SKIPS") and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def reviews() -> list[dict[str, str]]:
    """The rows of the seed corpus."""
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def tiny_corpus(reviews: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth review of the seed corpus: enough for a useful model, and quick to train."""
    path = tmp_path_factory.mktemp("corpus") / "tiny.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["points", "texts", "domain"])
        writer.writeheader()
        writer.writerows(reviews[::12])
    return path


@pytest.fixture(scope="session")
def tiny_bundle(tiny_corpus: Path, pytestconfig: pytest.Config) -> Path:
    """A bundle trained on the tiny corpus; read-only, since all processes share it."""
    return trained("tiny", _bundles(pytestconfig), ["--no-seed-corpus"], corpus=tiny_corpus)


@pytest.fixture(scope="session")
def default_bundle(pytestconfig: pytest.Config) -> Path:
    """The bundle that ``make run`` trains; read-only, since all processes share it."""
    return trained("default", _bundles(pytestconfig), ["--group-column", "domain"], corpus=REVIEWS)


def _bundles(config: pytest.Config) -> Path:
    folder = config.rootpath / ".pytest_cache" / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def server(tiny_bundle: Path) -> Iterator[Server]:
    """A server with two preloaded workers and short deadlines, over the tiny bundle."""
    with serving(tiny_bundle, READ_BODY_TIMEOUT="1") as running:
        yield running
