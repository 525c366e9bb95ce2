"""Admission control: one method decides what is overloaded."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import pytest

from review_scorer.capacity.admission import BYTES_PER_TEXT, Admission
from review_scorer.errors import RequestError

SCORES = "/api/1/scores"


def admission(*, max_texts: int = 100, max_wait: float = 0.1) -> Admission:
    return Admission(max_wait=max_wait, max_texts=max_texts)


def test_an_idle_worker_accepts_the_largest_list() -> None:
    idle = admission(max_texts=1)
    assert idle.decide(work=1_000_000, path=SCORES) is None
    with idle.accept(1_000, 1_000_000):
        assert idle.pending >= 1_000
    assert idle.pending == 0


def test_a_busy_worker_refuses_excess_work_at_the_head_and_once_the_texts_are_counted() -> None:
    busy = admission(max_texts=100)
    with busy.accept(60, 0):
        assert busy.decide(work=50, path=SCORES)
        assert busy.decide(work=1, path=SCORES) is None
        with pytest.raises(RequestError, match="overloaded") as refused, busy.accept(50, 500):
            raise AssertionError("accepted")
        assert refused.value.headers["Retry-After"]
        assert busy.pending == 60
        with busy.accept(40, 500):
            assert busy.pending == 100
    assert (busy.pending, busy.refused) == (0, 2)


def test_a_few_long_texts_count_as_many() -> None:
    busy = admission(max_texts=100)
    with busy.accept(1, 60 * BYTES_PER_TEXT):
        assert busy.pending == 60


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/version"])
def test_paths_that_compute_nothing_are_never_refused(path: str) -> None:
    busy = admission(max_texts=1)
    with busy.accept(1, 0):
        assert busy.decide(work=1, path=SCORES)
        assert busy.decide(work=1, path=path) is None


def test_a_limit_of_the_caller_and_a_wait_that_was_too_long_refuse_a_request_and_are_counted() -> None:
    idle = admission(max_wait=0.1)
    assert idle.decide(at_limit=False) is None
    assert idle.decide(0.1) is None
    assert idle.refused == 0
    for error in (idle.decide(at_limit=True), idle.decide(0.11)):
        assert error
        assert error.code == "overloaded"
    assert idle.refused == 2


def test_a_wait_is_judged_alone_however_much_work_is_pending() -> None:
    busy = admission(max_texts=1)
    with busy.accept(1_000, 0):
        assert busy.decide(0.05) is None


def test_the_accepted_requests_depend_on_the_speed_of_the_machine() -> None:
    def pause(seconds: float, texts: Sequence[str]) -> Sequence[str]:
        time.sleep(seconds)
        return texts

    async def scene() -> None:
        busy = admission(max_wait=0.4, max_texts=10_000)

        async def send(seconds: float) -> None:
            with busy.accept(1, 0):
                await busy.queue.run(partial(pause, seconds), ["良い宿"], slice_size=1)

        async def accepted(seconds: float) -> int:
            """The accepted requests of a burst, after enough computations of that length to estimate the wait."""
            for _ in range(30):
                await asyncio.gather(*(send(seconds) for _ in range(3)))
            before = busy.refused
            outcomes = await asyncio.gather(*(send(seconds) for _ in range(600)), return_exceptions=True)
            assert all(isinstance(outcome, RequestError) for outcome in outcomes if outcome is not None)
            return len(outcomes) - (busy.refused - before)

        async def best(seconds: float) -> int:
            """The best of three bursts: a pause of the machine makes computations seem long."""
            return max([await accepted(seconds) for _ in range(3)])

        quick, slow = await best(0.001), await best(0.01)
        # 0.3 seconds of work each: three quarters of the limit.
        assert 60 <= quick <= 330
        assert 6 <= slow <= 45

    asyncio.run(scene())


def test_requests_may_wait_longer_during_a_reload() -> None:
    reloading = False
    limits = Admission(max_wait=0.08, max_texts=1, reloading=lambda: reloading)
    assert limits.max_wait == 0.08
    assert limits.decide(1.9)
    reloading = True
    assert limits.max_wait == 2
    assert limits.decide(1.9) is None
    assert limits.decide(2.1)
