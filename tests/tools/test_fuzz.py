"""The short form of ``make fuzz``: always the same inputs, some hundreds for each target."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running import Server, serving, wait_for_workers
from tools.fuzz import promises
from tools.fuzz.fuzz import SETTINGS
from tools.fuzz.hostile import BODIES


@pytest.fixture(scope="module")
def fuzzed(tiny_bundle: Path) -> Iterator[Server]:
    with serving(tiny_bundle, **SETTINGS) as server:
        workers = wait_for_workers(server)
        yield server
        assert server.workers() == workers


@pytest.mark.parametrize("target", promises.TARGETS, ids=lambda target: target.__name__)
def test_it_bears_what_nobody_should_send(
    fuzzed: Server, target: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "BATCH", 40 if target is promises.wire else 400)
    assert target(fuzzed, seconds=0, seed=1) >= 400


def test_a_promise_that_is_broken_is_found() -> None:
    def check(body: bytes) -> None:
        assert b"1e999" not in body

    with pytest.raises(AssertionError):
        promises.feed(BODIES, check, seconds=5, seed=1)
