"""Predictions are written to a real Redis after the response, and a failing Redis affects no response."""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from review_scorer.prediction_log.entries import Entry, prediction_redaction
from review_scorer.prediction_log.prediction_ids import ID, LoggedPrediction, time_of
from review_scorer.prediction_log.recorder import DROPPED, WRITTEN, Recorder, StoreError
from review_scorer.scoring.bundle import load
from tests.support.counts import Counts
from tests.support.crowd import crowd
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import Server, free_port, serving, wait_for_workers
from tests.support.scraping import scrape

SCORES = "/api/1/scores"
TEXT = "部屋は狭いけれど朝食が美味しかった。電話は03-1234-5678です。"
PASSWORD = "hunter2"  # noqa: S105 - of no real account
SINGLE = json.dumps({"texts": TEXT}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis."""
    directory = tmp_path / "redis"
    directory.mkdir()
    with redis_server(directory) as server:
        yield server


def dropped(entries: list[dict[str, str]]) -> int:
    """Return how many predictions are missing, according to the prediction log."""
    return sum({entry["id"]: int(entry["dropped"]) for entry in entries if "dropped" in entry}.values())


def logged_ids(entries: list[dict[str, str]]) -> set[str]:
    """Return the ids of the predictions in the prediction log."""
    return {entry["id"] for entry in entries if "score" in entry}


def written_and_dropped(server: Server) -> tuple[float, float]:
    """Return how many predictions were written and dropped, according to the metrics."""
    seen = scrape(server)
    return seen["scorer_prediction_log_written_total"], seen["scorer_prediction_log_dropped_total"]


def stop(server: Server) -> str:
    """Stop the service and return its log."""
    server.client.close()
    server.process.terminate()
    output = server.process.communicate(timeout=30)[0]
    assert server.process.returncode == 0
    return output


def test_each_prediction_is_logged_under_the_id_of_its_response(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        plain = server.client.post(SCORES, content=SINGLE)
        detail = server.client.get(SCORES, params={"texts": "良い宿", "detail": "true"})
        many = server.client.post(SCORES, json={"texts": ["良い宿", "悪い宿"], "detail": True})
        scores = server.client.post(SCORES, json={"texts": ["良い宿", "悪い宿"]})
        entries = {entry["id"]: entry for entry in store.wait_for(6)}
    named = [answer.headers["X-Prediction-Id"] for answer in (plain, detail, many, scores)]
    assert all(re.match(ID, name) for name in named)
    assert named == sorted(named)
    assert detail.json()["id"] == named[1]
    assert [each["id"] for each in many.json()["results"]] == [f"{named[2]}.0", f"{named[2]}.1"]
    expected = {named[0]: plain.json()["score"], named[1]: detail.json()["score"]}
    for name, answer in (
        (named[2], [each["score"] for each in many.json()["results"]]),
        (named[3], scores.json()["scores"]),
    ):
        expected |= {f"{name}.{place}": score for place, score in enumerate(answer)}
    assert {name: float(entry["score"]) for name, entry in entries.items()} == expected
    for name, entry in entries.items():
        assert set(entry) == {"id", "time", "score", "bundle", "hash"}
        assert entry["bundle"] == load(tiny_bundle).digest[:12]
        assert entry["time"] == time_of(name)
        assert re.fullmatch(r"[0-9a-f]{32}", entry["hash"])
    # The same text has the same hash in both workers, and it is not a plain SHA-256, which could be looked up.
    same = [entries[named[1]]["hash"], entries[f"{named[2]}.0"]["hash"], entries[f"{named[3]}.0"]["hash"]]
    assert len(set(same)) == 1
    assert same[0] != entries[f"{named[2]}.1"]["hash"]
    assert not hashlib.sha256("良い宿".encode()).hexdigest().startswith(same[0])


def test_a_hash_depends_on_the_key_and_on_the_normalised_text() -> None:
    one, other, random = (prediction_redaction("hash", key) for key in ("a key of sixteen", "another key of 16", None))
    assert one("ＡＢＣの宿。") == one("abcの宿") != one("abcの家")
    assert len({redact("良い宿")["hash"] for redact in (one, other, random)}) == 3
    assert random("良い宿") == prediction_redaction("hash", None)("良い宿")


@pytest.mark.parametrize(("mode", "stored"), [("masked", TEXT.replace("03-1234-5678", "[PHONE]")), ("full", TEXT)])
def test_the_text_is_stored_masked_or_in_full(store: RedisServer, tiny_bundle: Path, mode: str, stored: str) -> None:
    with serving(
        tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_TEXT=mode, PREDICTION_LOG_STREAM="shop:predictions"
    ) as server:
        server.client.post(SCORES, content=SINGLE)
        (entry,) = store.wait_for(1, "shop:predictions")
    assert set(entry) == {"id", "time", "score", "bundle", "text"}
    assert entry["text"] == stored


def test_killing_redis_under_load_fails_no_request_and_all_missing_predictions_are_counted(
    store: RedisServer, tiny_bundle: Path
) -> None:
    with serving(
        tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_BUFFER_BYTES="65536", QUEUE_TIMEOUT="5", LOG="off"
    ) as server:
        with crowd(server, [SINGLE], clients=12) as met:
            store.wait_for(100)
            before_kill = logged_ids(store.entries())
            store.kill()
            time.sleep(1.5)
            store.start()
            assert before_kill <= logged_ids(store.entries())
            store.wait_for(len(store.entries()) + 200)
        deadline = time.monotonic() + 20
        while (counted := written_and_dropped(server)) != (
            written := len(logged_ids(store.entries())),
            len(met.ids) - written,
        ):
            assert time.monotonic() < deadline, (
                f"metrics say {counted} written and dropped, the prediction log has {written}"
            )
            time.sleep(0.1)
        output = stop(server)
    assert met.failures == []
    assert set(met.answers) == {200}
    entries = store.entries()
    assert logged_ids(entries) < set(met.ids)
    assert dropped(entries) > 0
    assert len(logged_ids(entries)) + dropped(entries) == len(met.ids) == len(set(met.ids))
    unavailable = [line for line in output.splitlines() if "prediction log unavailable (" in line]
    available = re.findall(r"prediction log available again after [\d.]+ s", output)
    # Once for each worker that had requests, however many predictions there were.
    assert 1 <= len(unavailable) == len(available) <= 2
    # If the queue overflows again afterwards, that is another line.
    reported = re.findall(r"([\d,]+) predictions (?:dropped|missing)", output)
    assert sum(int(count.replace(",", "")) for count in reported) == dropped(entries)
    assert "Traceback" not in output


def test_a_frozen_redis_delays_no_request_and_loses_no_prediction(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        with crowd(server, [SINGLE], clients=2) as met:
            store.wait_for(20)
            store.freeze()
            frozen = time.monotonic()
            time.sleep(2.5)
            during = len(met.ids)
            store.thaw()
            assert time.monotonic() - frozen > 2.5
        deadline = time.monotonic() + 20
        while logged_ids(store.entries()) != set(met.ids):
            assert time.monotonic() < deadline, "prediction log incomplete after 20 s"
            time.sleep(0.2)
        stop(server)
    assert met.failures == []
    assert set(met.answers) == {200}
    assert during > 100
    # No request waited for the Redis timeout of 1 s. A pause of the machine may delay each client once.
    assert sorted(met.seconds[200])[-3] < 0.9
    # Some entries occur twice, because Redis had read them before it froze.
    assert logged_ids(store.entries()) == set(met.ids)
    assert dropped(store.entries()) == 0


def test_without_redis_the_service_starts_scores_and_stops_and_logs_no_password(tiny_bundle: Path) -> None:
    url = f"redis://scorer:{PASSWORD}@127.0.0.1:{free_port()}/0"
    with serving(tiny_bundle, REDIS_URL=url, WORKERS="1") as server:
        for _ in range(7):
            assert server.client.post(SCORES, content=SINGLE).status_code == 200
        time.sleep(1)
        began = time.monotonic()
        output = stop(server)
        assert time.monotonic() - began < 5
    assert len([line for line in output.splitlines() if "prediction log unavailable (" in line]) == 1
    assert "7 predictions missing from the prediction log" in output
    assert PASSWORD not in output


def test_a_wrong_password_is_reported_and_not_logged(tiny_bundle: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path) as store:
        store.client.config_set("requirepass", "right")
        url = store.url.replace("//", f"//:{PASSWORD}@")
        with serving(tiny_bundle, REDIS_URL=url) as server:
            assert server.client.post(SCORES, content=SINGLE).status_code == 200
            output = stop(server)
    assert "AuthenticationError" in output
    assert PASSWORD not in output


def test_predictions_just_before_a_stop_are_logged(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        answer = server.client.post(SCORES, json={"texts": ["良い宿"] * 1_000})
        stop(server)
    name = answer.headers["X-Prediction-Id"]
    assert logged_ids(store.entries()) == {f"{name}.{place}" for place in range(1_000)}


def test_predictions_just_before_a_reload_are_logged(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        old = wait_for_workers(server)
        with crowd(server, [SINGLE], clients=2) as met:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGHUP)
            wait_for_workers(server, without=old)
            time.sleep(0.3)
        stop(server)
    assert met.failures == []
    assert logged_ids(store.entries()) == set(met.ids)


def test_the_stream_is_capped(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_LENGTH="100") as server:
        for _ in range(3):
            server.client.post(SCORES, json={"texts": ["良い宿"] * 500})
        stop(server)
    # Redis removes whole nodes of a hundred entries.
    assert 100 <= len(store.entries()) <= 200


@pytest.mark.parametrize(("url", "imported"), [("", False), ("redis://127.0.0.1:1/0", True)])
def test_the_redis_client_is_imported_only_if_a_redis_is_configured(
    tiny_bundle: Path, url: str, *, imported: bool
) -> None:
    code = "import sys; from review_scorer.app import get_app; get_app(); print('redis' in sys.modules)"
    environ = os.environ | {"SCORER_BUNDLE": str(tiny_bundle)}
    environ |= {"SCORER_REDIS_URL": url} if url else {}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)


class FakeStore:
    """A store in memory that fails on demand."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fails = False

    async def add(self, _stream: str, entries: Sequence[Entry]) -> None:
        if self.fails:
            raise StoreError("unavailable")
        self.entries += entries

    async def close(self) -> None:
        pass


def test_a_store_that_swallows_cancellation_does_not_block_the_shutdown() -> None:
    class Uncancellable(FakeStore):
        async def add(self, _stream: str, entries: Sequence[Entry]) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            self.entries += entries

    fake = Uncancellable()
    recorder = Recorder(fake, lambda each: {"id": each.id}, stream="s", buffer_bytes=10_000, count=Counts().add)

    async def run() -> None:
        await recorder.process_startup({}, {})
        recorder.add([LoggedPrediction("one", "", 1.0)])
        await asyncio.sleep(0.2)
        await asyncio.wait_for(recorder.process_shutdown({}, {}), 5)

    asyncio.run(run())
    assert fake.entries == [{"id": "one"}]


def test_each_prediction_is_queued_written_or_dropped_and_counted() -> None:
    fake = FakeStore()
    counts = Counts()
    recorder = Recorder(
        fake,
        lambda each: {"id": each.id, "score": "1"},
        stream="s",
        buffer_bytes=5_100,
        count=counts.add,
    )

    async def run() -> None:
        fake.fails = True
        await recorder.process_startup({}, {})
        recorder.add([LoggedPrediction(str(number), "", 1.0) for number in range(25)])
        await asyncio.sleep(0.1)
        assert (counts[WRITTEN], counts[DROPPED]) == (0, 15)
        fake.fails = False
        await asyncio.sleep(0.5)
        assert (counts[WRITTEN], counts[DROPPED]) == (10, 15)
        # There is room in the queue again.
        recorder.add([LoggedPrediction("last", "", 1.0)])
        await recorder.process_shutdown({}, {})

    asyncio.run(run())
    assert [entry["id"] for entry in fake.entries if "score" in entry] == [*map(str, range(10)), "last"]
    assert [entry["dropped"] for entry in fake.entries if "dropped" in entry] == ["15"]
    assert (counts[WRITTEN], counts[DROPPED]) == (11, 15)
