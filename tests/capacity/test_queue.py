"""One computation at a time, in order of arrival, and never more accepted than can be done."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from review_scorer.capacity.admission import BYTES_PER_TEXT, Admission
from review_scorer.capacity.queue import SLICE_CHARS, SLICE_TEXTS, WorkQueue, slices
from review_scorer.errors import RequestError
from review_scorer.server.lifecycle import Reload

SCORES = "/api/1/scores"


def run(scene: Callable[[WorkQueue], Awaitable[None]], *, patience: float = 60) -> WorkQueue:
    turns = WorkQueue(patience=patience)

    async def play() -> None:
        await scene(turns)

    asyncio.run(play())
    return turns


def pause(seconds: float, part: Sequence[str]) -> Sequence[str]:
    """Compute for a while."""
    time.sleep(seconds)
    return part


def test_turns_come_in_the_order_of_asking_with_a_look_at_the_sockets_between_them() -> None:
    events: list[str] = []

    async def scene(turns: WorkQueue) -> None:
        loop = asyncio.get_running_loop()

        def compute(names: Sequence[str]) -> Sequence[str]:
            events.extend(names)
            # As a socket would: heard of only when the loop looks.
            loop.call_soon(events.append, f"{names[0]}'s event")
            return pause(0.001, names)

        await asyncio.gather(*(turns.take(compute, [name], at_once=1) for name in "abc"))

    run(scene)
    assert events == ["a", "a's event", "b", "b's event", "c", "c's event"]


def test_a_single_review_waits_for_a_slice_of_a_list_and_not_for_the_list() -> None:
    ended: list[str] = []

    async def scene(turns: WorkQueue) -> None:
        async def ask(name: str, work: Awaitable[object]) -> None:
            await work
            ended.append(name)

        texts = ["良い宿"] * 10 * SLICE_TEXTS
        await asyncio.gather(
            ask("list", turns.take(partial(pause, 0.001), texts)),
            ask("single", turns.take(lambda part: part, ["良い宿"])),
        )

    run(scene)
    assert ended == ["single", "list"]


def test_a_list_gets_its_results_in_order() -> None:
    async def scene(turns: WorkQueue) -> None:
        texts = [str(number) for number in range(100)]
        assert await turns.take(lambda part: [int(text) for text in part], texts) == list(range(100))

    run(scene)


def test_an_error_reaches_who_asked_and_the_next_has_its_turn() -> None:
    async def scene(turns: WorkQueue) -> None:
        def divide(texts: Sequence[str]) -> Sequence[int]:
            return [12 // int(text) for text in texts]

        outcomes = await asyncio.gather(*(turns.take(divide, [text]) for text in "1023"), return_exceptions=True)
        assert isinstance(outcomes[1], ZeroDivisionError)
        assert [*outcomes[:1], *outcomes[2:]] == [[12], [6], [4]]

    assert run(scene).waiting == 0


class Breaking(asyncio.Future[list[str]]):
    """A taker with a bug, whatever it is told."""

    def set_result(self, _results: list[str]) -> None:
        raise ZeroDivisionError

    def set_exception(self, _exception: object) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("patience", [60, -1], ids=["a result", "a refusal"])
def test_whoever_cannot_take_what_it_is_told_does_not_cost_others_their_turns(patience: float) -> None:
    bugs: list[object] = []
    outcomes: list[object] = []

    async def scene(turns: WorkQueue) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context["exception"]))
        turns.queue(list, ["first"], Breaking())
        outcomes.extend(await asyncio.gather(turns.take(list, ["second"]), return_exceptions=True))

    run(scene, patience=patience)
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]
    (outcome,) = outcomes
    assert outcome == ["second"] if patience > 0 else isinstance(outcome, RequestError)


def test_small_neighbours_share_a_turn_and_each_gets_its_own_results() -> None:
    turns_given: list[int] = []

    def lengths(texts: Sequence[str]) -> Sequence[int]:
        turns_given.append(len(texts))
        return [len(text) for text in texts]

    async def scene(turns: WorkQueue) -> None:
        asked = [["a"], ["bb", "ccc"], *([["d"]] * SLICE_TEXTS)]
        answers = await asyncio.gather(*(turns.take(lengths, texts) for texts in asked))
        assert answers == [[1], [2, 3], *([[1]] * SLICE_TEXTS)]

    run(scene)
    assert turns_given == [SLICE_TEXTS, 3]


def test_who_gave_up_is_not_computed_for() -> None:
    computed: list[str] = []

    async def scene(turns: WorkQueue) -> None:
        def compute(names: Sequence[str]) -> Sequence[str]:
            computed.extend(names)
            return names

        gone = asyncio.ensure_future(turns.take(compute, ["gone"]))
        stays = asyncio.ensure_future(turns.take(compute, ["stays"]))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    run(scene)
    assert computed == ["stays"]


def test_a_turn_that_comes_too_late_is_refused_but_what_has_begun_is_finished() -> None:
    async def scene(turns: WorkQueue) -> None:
        outcomes = await asyncio.gather(
            turns.take(partial(pause, 0.02), ["良い宿"] * 3 * SLICE_TEXTS),
            turns.take(partial(pause, 0.02), ["良い宿"]),
            turns.take(list, ["良い宿"]),
            return_exceptions=True,
        )
        assert outcomes[0] == ["良い宿"] * 3 * SLICE_TEXTS
        assert isinstance(outcomes[2], RequestError)
        assert outcomes[2].code == "overloaded"

    assert run(scene, patience=0.03).late == 1


def test_slices_are_bounded_in_texts_and_in_characters() -> None:
    short, long = "良い", "良" * SLICE_CHARS
    texts = [*[short] * 40, long, long, short]
    parts = list(slices(texts))
    assert [text for part in parts for text in part] == texts
    assert [len(part) for part in parts] == [16, 16, 8, 1, 1, 1]
    assert list(slices([])) == []


def admission(turns: WorkQueue | None = None, *, max_texts: int = 100, max_wait: float = 0.1) -> Admission:
    return Admission(turns or WorkQueue(patience=max_wait), max_texts=max_texts)


def test_an_idle_worker_accepts_the_largest_list() -> None:
    idle = admission(max_texts=1)
    assert not idle.refuses(SCORES, 1_000_000)
    with idle.accept(1_000, 1_000_000):
        assert idle.pending >= 1_000
    assert idle.pending == 0


def test_a_busy_worker_refuses_what_is_too_much_before_it_is_read_or_once_it_is_counted() -> None:
    busy = admission(max_texts=100)
    with busy.accept(60, 0):
        assert busy.refuses(SCORES, 50 * BYTES_PER_TEXT)
        assert not busy.refuses(SCORES, 500)
        with pytest.raises(RequestError, match="in time") as refused, busy.accept(50, 500):
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
def test_questions_about_the_service_are_never_refused(path: str) -> None:
    busy = admission(max_texts=1)
    with busy.accept(1, 0):
        assert busy.refuses(SCORES, 300)
        assert not busy.refuses(path, 300)


def test_who_would_wait_too_long_is_refused_whatever_the_speed_of_the_machine() -> None:
    async def scene(turns: WorkQueue) -> None:
        busy = admission(turns, max_texts=10_000)

        async def ask(seconds: float) -> None:
            with busy.accept(1, 0):
                await turns.take(partial(pause, seconds), ["良い宿"], at_once=1)

        async def accepted(seconds: float) -> int:
            """How many of a burst are accepted, after enough turns of that length to know them."""
            for _ in range(30):
                await asyncio.gather(*(ask(seconds) for _ in range(3)))
            before = busy.refused
            outcomes = await asyncio.gather(*(ask(seconds) for _ in range(600)), return_exceptions=True)
            assert all(isinstance(outcome, RequestError) for outcome in outcomes if outcome is not None)
            return len(outcomes) - (busy.refused - before)

        async def best(seconds: float) -> int:
            """Of three bursts: a pause of the machine makes turns seem long."""
            return max([await accepted(seconds) for _ in range(3)])

        quick, slow = await best(0.001), await best(0.01)
        # 0.3 seconds of work each: three quarters of what may be waited for.
        assert 60 <= quick <= 330
        assert 6 <= slow <= 45

    run(scene, patience=0.4)


def test_while_the_workers_change_all_wait_for_longer() -> None:
    reload = Reload()
    turns = WorkQueue(patience=0.08, reloading=lambda: reload.in_progress)
    assert turns.patience == 0.08
    with reload.started():
        assert turns.patience == 2
    # The new workers have a second to work off what came meanwhile.
    assert turns.patience == 2
    assert WorkQueue(patience=0.08).patience == 0.08


def test_a_change_is_seen_by_the_processes_that_were_forked_before_it() -> None:
    reload, (read, write) = Reload(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(reload.in_progress)
    with reload.started():
        os.write(write, b"!")
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
