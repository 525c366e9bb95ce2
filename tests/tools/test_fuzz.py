"""A short run of ``make fuzz`` with a fixed seed: some hundreds of inputs for each target."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running import Server, serving, wait_for_workers
from tools.fuzz import invariants
from tools.fuzz.fuzz import SETTINGS
from tools.fuzz.inputs import BODIES


@pytest.fixture(scope="module")
def fuzzed(tiny_bundle: Path) -> Iterator[Server]:
    with serving(tiny_bundle, **SETTINGS) as server:
        workers = wait_for_workers(server)
        yield server
        assert server.workers() == workers


@pytest.mark.parametrize("target", invariants.TARGETS, ids=lambda target: target.__name__)
def test_the_invariants_hold_for_malformed_input(
    fuzzed: Server, target: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "BATCH", 40 if target is invariants.wire else 400)
    assert target(fuzzed, seconds=0, seed=1) >= 400


def test_a_violated_invariant_is_found() -> None:
    def check(body: bytes) -> None:
        assert b"1e999" not in body

    with pytest.raises(AssertionError):
        invariants.feed(BODIES, check, seconds=5, seed=1)
