"""One computation at a time, first in, first out, with a poll of the sockets between two of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from review_scorer.capacity.admission import Admission
from review_scorer.capacity.queue import SLICE_CHARS, SLICE_TEXTS, WorkQueue, slices
from review_scorer.errors import RequestError


def play(scene: Callable[[WorkQueue], Awaitable[None]], *, max_wait: float = 60) -> Admission:
    """Run a scene with the queue of a new worker."""
    admission = Admission(max_wait=max_wait, max_texts=100)

    async def run() -> None:
        await scene(admission.queue)

    asyncio.run(run())
    return admission


def pause(seconds: float, texts: Sequence[str]) -> Sequence[str]:
    """Compute for a while."""
    time.sleep(seconds)
    return texts


def test_computations_run_in_order_and_the_sockets_are_polled_between_two_of_them() -> None:
    events: list[str] = []

    async def scene(queue: WorkQueue) -> None:
        loop = asyncio.get_running_loop()

        def compute(names: Sequence[str]) -> Sequence[str]:
            events.extend(names)
            # Like the event of a socket, which is seen only when the loop polls.
            loop.call_soon(events.append, f"{names[0]}'s event")
            return pause(0.001, names)

        await asyncio.gather(*(queue.run(compute, [name], slice_size=1) for name in "abc"))

    play(scene)
    assert events == ["a", "a's event", "b", "b's event", "c", "c's event"]


def test_a_single_review_waits_for_one_slice_of_a_list() -> None:
    ended: list[str] = []

    async def scene(queue: WorkQueue) -> None:
        async def wait(name: str, work: Awaitable[object]) -> None:
            await work
            ended.append(name)

        texts = ["良い宿"] * 10 * SLICE_TEXTS
        await asyncio.gather(
            wait("list", queue.run(partial(pause, 0.001), texts)),
            wait("single", queue.run(lambda part: part, ["良い宿"])),
        )

    play(scene)
    assert ended == ["single", "list"]


def test_the_results_of_a_list_are_in_its_order() -> None:
    async def scene(queue: WorkQueue) -> None:
        texts = [str(number) for number in range(100)]
        assert await queue.run(lambda part: [int(text) for text in part], texts) == list(range(100))

    play(scene)


def test_an_error_reaches_only_the_request_that_caused_it() -> None:
    async def scene(queue: WorkQueue) -> None:
        def divide(texts: Sequence[str]) -> Sequence[int]:
            return [12 // int(text) for text in texts]

        outcomes = await asyncio.gather(*(queue.run(divide, [text]) for text in "1023"), return_exceptions=True)
        assert isinstance(outcomes[1], ZeroDivisionError)
        assert [*outcomes[:1], *outcomes[2:]] == [[12], [6], [4]]

    assert play(scene).queue.waiting == 0


class BrokenSink(asyncio.Future[list[str]]):
    """A result sink with a bug in each method."""

    def set_result(self, _results: list[str]) -> None:
        raise ZeroDivisionError

    def set_exception(self, _exception: object) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("max_wait", [60, 0], ids=["a result", "a refusal"])
def test_a_bug_in_a_result_sink_is_logged_and_the_queue_goes_on(max_wait: float) -> None:
    bugs: list[object] = []
    outcomes: list[object] = []

    async def scene(queue: WorkQueue) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context["exception"]))
        queue.submit(list, ["first"], BrokenSink())
        outcomes.extend(await asyncio.gather(queue.run(list, ["second"]), return_exceptions=True))

    play(scene, max_wait=max_wait)
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]
    (outcome,) = outcomes
    assert outcome == ["second"] if max_wait else isinstance(outcome, RequestError)


def test_small_neighbours_share_a_computation_and_each_gets_its_own_results() -> None:
    sizes: list[int] = []

    def lengths(texts: Sequence[str]) -> Sequence[int]:
        sizes.append(len(texts))
        return [len(text) for text in texts]

    async def scene(queue: WorkQueue) -> None:
        requests = [["a"], ["bb", "ccc"], *([["d"]] * SLICE_TEXTS)]
        results = await asyncio.gather(*(queue.run(lengths, texts) for texts in requests))
        assert results == [[1], [2, 3], *([[1]] * SLICE_TEXTS)]

    play(scene)
    assert sizes == [SLICE_TEXTS, 3]


def test_a_cancelled_request_is_not_computed() -> None:
    computed: list[str] = []

    async def scene(queue: WorkQueue) -> None:
        def compute(names: Sequence[str]) -> Sequence[str]:
            computed.extend(names)
            return names

        cancelled = asyncio.ensure_future(queue.run(compute, ["cancelled"]))
        other = asyncio.ensure_future(queue.run(compute, ["other"]))
        await asyncio.sleep(0)
        cancelled.cancel()
        await other

    play(scene)
    assert computed == ["other"]


def test_a_request_that_waited_too_long_is_refused_and_one_with_results_is_completed() -> None:
    async def scene(queue: WorkQueue) -> None:
        outcomes = await asyncio.gather(
            queue.run(partial(pause, 0.2), ["良い宿"] * 3 * SLICE_TEXTS),
            queue.run(partial(pause, 0.2), ["良い宿"]),
            queue.run(list, ["良い宿"]),
            return_exceptions=True,
        )
        assert outcomes[0] == ["良い宿"] * 3 * SLICE_TEXTS
        assert isinstance(outcomes[2], RequestError)
        assert outcomes[2].code == "overloaded"

    assert play(scene, max_wait=0.3).refused == 1


def test_a_resumed_request_is_not_refused() -> None:
    async def scene(queue: WorkQueue) -> None:
        assert await queue.run(list, ["良い宿"], resumed=True) == ["良い宿"]

    assert play(scene, max_wait=0).refused == 0


def test_slices_are_bounded_in_texts_and_in_characters() -> None:
    short, long = "良い", "良" * SLICE_CHARS
    texts = [*[short] * 40, long, long, short]
    parts = list(slices(texts))
    assert [text for part in parts for text in part] == texts
    assert [len(part) for part in parts] == [16, 16, 8, 1, 1, 1]
    assert list(slices([])) == []
