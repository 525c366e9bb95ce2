"""The shadow bundle scores while the worker is idle, and no response waits for it."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from review_scorer.capacity.queue import WorkQueue
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, new_id
from review_scorer.prediction_log.shadow import SCORED, SKIPPED, Shadow
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Scorer
from tests.support.counts import Counts
from tests.support.crowd import crowd
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import free_port, gunicorn, serving, wait_for_workers
from tests.support.scraping import scrape, wait_for_failed_reload

SCORES = "/api/1/scores"
TEXTS = ["部屋は狭いけれど朝食が美味しかった。", "良い宿", "とても悪い"]
SINGLE = json.dumps({"texts": TEXTS[0]}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis."""
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        yield server


def shifted(bundle: Path, copy: Path, by: float) -> Path:
    """Return a copy of the bundle with ``by`` stars added to its intercept."""
    shutil.copytree(bundle, copy)
    scorer = load(copy).scorer
    scorer.model.intercept += by
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["intercept"] += by
    manifest["probe"]["score"] = scorer.score(manifest["probe"]["text"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.fixture
def other(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that is not the one in use."""
    return shifted(tiny_bundle, tmp_path / "other", 0.5)


def shadow_scores(store: RedisServer, count: int) -> dict[str, float]:
    """Return the shadow scores by id, once the prediction log has ``count`` entries."""
    return {entry["id"]: float(entry["shadow"]) for entry in store.wait_for(count) if "shadow" in entry}


def test_both_scores_are_logged_and_the_response_has_that_of_the_bundle_in_use(
    store: RedisServer, tiny_bundle: Path, other: Path
) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url, SHADOW_BUNDLE=str(other), SHADOW_SHARE="1") as server:
        answer = server.client.post(SCORES, json={"texts": TEXTS})
        logged = shadow_scores(store, 3)
        facts = server.client.get("/version").json()
        seen = scrape(server)
    assert answer.json()["scores"] == load(tiny_bundle).scorer.score_many(TEXTS)
    assert list(logged.values()) == load(other).scorer.score_many(TEXTS) != answer.json()["scores"]
    (bundles,) = {(entry["bundle"], entry["shadow_bundle"]) for entry in store.entries()}
    assert bundles == (load(tiny_bundle).digest[:12], load(other).digest[:12])
    assert (seen["scorer_shadow_scored_total"], seen["scorer_shadow_skipped_total"]) == (3, 0)
    assert facts["shadow"]["digest"] == load(other).digest


def test_a_share_of_the_predictions_has_a_shadow_score_and_all_are_logged(
    store: RedisServer, tiny_bundle: Path, other: Path
) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url, SHADOW_BUNDLE=str(other), SHADOW_SHARE="0.25") as server:
        for _ in range(20):
            server.client.post(SCORES, json={"texts": TEXTS[1:2] * 50})
            time.sleep(0.02)
        sampled = len(shadow_scores(store, 1_000))
    # The mean is 250; below 150 or above 350 happens once in 10¹² runs.
    assert 150 < sampled < 350
    assert len({entry["id"] for entry in store.entries()}) == 1_000


def test_a_reload_changes_the_shadow_bundle_and_fails_for_a_damaged_one(
    store: RedisServer, tiny_bundle: Path, other: Path
) -> None:
    settings = {"REDIS_URL": store.url, "SHADOW_BUNDLE": str(other), "SHADOW_SHARE": "1", "LOG": "off"}
    with serving(tiny_bundle, **settings) as server:
        with crowd(server, [SINGLE], clients=2) as met:
            old = wait_for_workers(server)
            shutil.rmtree(other)
            third = shifted(tiny_bundle, other, -0.5)
            server.process.send_signal(signal.SIGHUP)
            now = wait_for_workers(server, without=old)
            (third / "booster.txt").write_text("tree")
            server.process.send_signal(signal.SIGHUP)
            wait_for_failed_reload(server)
            assert wait_for_workers(server) == now
        server.client.close()
        server.process.terminate()
        output = server.process.communicate(timeout=30)[0]
    assert met.failures == []
    assert set(met.answers) == {200}
    assert len({entry["shadow_bundle"] for entry in store.entries() if "shadow" in entry}) == 2
    assert {entry["id"] for entry in store.entries()} == set(met.ids)
    assert f"{other / 'booster.txt'} was modified or is damaged" in output


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SHADOW_BUNDLE": "build/other"}, "SCORER_SHADOW_BUNDLE needs SCORER_REDIS_URL"),
        ({"SHADOW_BUNDLE": "/nowhere", "REDIS_URL": "redis://127.0.0.1:1"}, "no bundle at /nowhere"),
    ],
)
def test_an_unusable_shadow_bundle_stops_the_start_with_one_line(
    tiny_bundle: Path, settings: dict[str, str], message: str
) -> None:
    process = gunicorn(tiny_bundle, PORT=str(free_port()), **settings)
    output = process.communicate(timeout=20)[0]
    assert process.returncode != 0
    (line,) = [line for line in output.splitlines() if "[INFO]" not in line]
    assert line.startswith("review-scorer: ")
    assert message in line


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return load(tiny_bundle).scorer


class Spy:
    """A scorer that records the length of the work queue at each call."""

    def __init__(self, scorer: Scorer, queue: WorkQueue) -> None:
        self.waiting: list[int] = []
        self._scorer = scorer
        self._queue = queue

    def score(self, text: str) -> float:
        self.waiting.append(self._queue.waiting)
        return self._scorer.score(text)


def predictions(count: int) -> list[LoggedPrediction]:
    return [LoggedPrediction(new_id(), "良い宿", 4.0) for _ in range(count)]


def run(shadow: Shadow, queue: WorkQueue, *, add: int, busy_seconds: float, then_seconds: float = 0.3) -> None:
    """Add predictions while the work queue is busy for ``busy_seconds``, then wait ``then_seconds``."""

    def compute(texts: Sequence[str]) -> Sequence[str]:
        time.sleep(0.005)
        return texts

    async def run_until_done() -> None:
        await shadow.process_startup({}, {})
        shadow.add(predictions(add))
        until = time.monotonic() + busy_seconds
        waiting: list[asyncio.Task[object]] = []
        while time.monotonic() < until:
            waiting = [each for each in waiting if not each.done()]
            waiting += [
                asyncio.create_task(queue.run(compute, ["良い"], slice_size=1)) for _ in range(8 - len(waiting))
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        await asyncio.sleep(then_seconds)
        await shadow.process_shutdown({}, {})

    asyncio.run(run_until_done())


def test_the_shadow_scores_only_while_the_work_queue_is_empty(scorer: Scorer) -> None:
    queue = WorkQueue()
    logged: list[LoggedPrediction] = []
    counts = Counts()
    spy = Spy(scorer, queue)
    shadow = Shadow(spy, queue, share=1, sink=logged.extend, count=counts.add)  # type: ignore[arg-type]
    run(shadow, queue, add=20, busy_seconds=0.3)
    assert spy.waiting == [0] * 20
    assert [each.shadow for each in logged] == [scorer.score("良い宿")] * 20
    assert (counts[SCORED], counts[SKIPPED]) == (20, 0)


def test_a_busy_service_logs_predictions_without_shadow_scores(scorer: Scorer) -> None:
    queue = WorkQueue()
    logged: list[LoggedPrediction] = []
    counts = Counts()
    shadow = Shadow(scorer, queue, share=1, sink=logged.extend, count=counts.add)
    run(shadow, queue, add=300, busy_seconds=1.2)
    assert len(logged) == 300
    assert {each.shadow for each in logged} == {None}
    assert (counts[SCORED], counts[SKIPPED]) == (0, 300)


def test_a_failing_shadow_is_turned_off_and_all_predictions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def score(self, _text: str) -> float:
            raise ZeroDivisionError

    queue = WorkQueue()
    logged: list[LoggedPrediction] = []
    counts = Counts()
    shadow = Shadow(Broken(), queue, share=1, sink=logged.extend, count=counts.add)  # type: ignore[arg-type]
    run(shadow, queue, add=3, busy_seconds=0)
    shadow.add(predictions(1))
    assert len(logged) == 4
    assert {each.shadow for each in logged} == {None}
    assert "shadow bundle failed; it is off" in caplog.text
