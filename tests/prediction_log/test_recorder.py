"""What is predicted is recorded behind the answers' back, in a real Redis that comes and goes."""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from review_scorer.prediction_log.entries import Entry, keeping
from review_scorer.prediction_log.prediction_ids import ID, LoggedPrediction, time_of
from review_scorer.prediction_log.recorder import Recorder, StoreError
from review_scorer.scoring.bundle import load
from tests.support.crowd import crowd
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import Server, free_port, serving, wait_for_workers
from tests.support.scraping import scrape

SCORES = "/api/1/scores"
TEXT = "部屋は狭いけれど朝食が美味しかった。電話は03-1234-5678です。"
PASSWORD = "hunter2"  # noqa: S105 - of nobody
SINGLE = json.dumps({"texts": TEXT}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis with nothing in it."""
    directory = tmp_path / "redis"
    directory.mkdir()
    with redis_server(directory) as server:
        yield server


def dropped(entries: list[dict[str, str]]) -> int:
    """How many predictions the record says it lacks."""
    return sum({entry["id"]: int(entry["dropped"]) for entry in entries if "dropped" in entry}.values())


def recorded(entries: list[dict[str, str]]) -> set[str]:
    """The ids of the predictions that the record has."""
    return {entry["id"] for entry in entries if "score" in entry}


def outcomes(server: Server) -> tuple[float, float]:
    """How many predictions the service says that it recorded and dropped, in all of its workers."""
    seen = scrape(server)
    return seen["scorer_prediction_log_written_total"], seen["scorer_prediction_log_dropped_total"]


def stopped(server: Server) -> str:
    """What the service wrote, once it was told to stop and did."""
    server.client.close()
    server.process.terminate()
    output = server.process.communicate(timeout=30)[0]
    assert server.process.returncode == 0
    return output


def test_each_prediction_is_recorded_under_the_id_that_its_answer_names(store: RedisServer, tiny_bundle: Path) -> None:
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
    # The same text has the same hash, in both workers; no plain hash, which anybody could look up.
    same = [entries[named[1]]["hash"], entries[f"{named[2]}.0"]["hash"], entries[f"{named[3]}.0"]["hash"]]
    assert len(set(same)) == 1
    assert same[0] != entries[f"{named[2]}.1"]["hash"]
    assert not hashlib.sha256("良い宿".encode()).hexdigest().startswith(same[0])


def test_a_hash_depends_on_the_key_and_not_on_the_way_of_typing() -> None:
    one, other, drawn = (keeping("hash", key) for key in ("a key of sixteen", "another key of 16", None))
    assert one("ＡＢＣの宿。") == one("abcの宿") != one("abcの家")
    assert len({keep("良い宿")["hash"] for keep in (one, other, drawn)}) == 3
    assert drawn("良い宿") == keeping("hash", None)("良い宿")


@pytest.mark.parametrize(("how", "kept"), [("masked", TEXT.replace("03-1234-5678", "[PHONE]")), ("full", TEXT)])
def test_the_text_is_kept_as_it_is_asked(store: RedisServer, tiny_bundle: Path, how: str, kept: str) -> None:
    with serving(
        tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_TEXT=how, PREDICTION_LOG_STREAM="shop:said"
    ) as server:
        server.client.post(SCORES, content=SINGLE)
        (entry,) = store.wait_for(1, "shop:said")
    assert set(entry) == {"id", "time", "score", "bundle", "text"}
    assert entry["text"] == kept


def test_a_redis_that_is_killed_under_load_costs_no_answer_and_the_record_says_what_it_lacks(
    store: RedisServer, tiny_bundle: Path
) -> None:
    with serving(
        tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_BUFFER_BYTES="65536", QUEUE_TIMEOUT="5", LOG="off"
    ) as server:
        with crowd(server, [SINGLE], clients=12) as met:
            store.wait_for(100)
            flushed = recorded(store.entries())
            store.kill()
            time.sleep(1.5)
            store.start()
            assert flushed <= recorded(store.entries())
            store.wait_for(len(store.entries()) + 200)
        deadline = time.monotonic() + 20
        while (seen := outcomes(server)) != (written := len(recorded(store.entries())), len(met.ids) - written):
            assert time.monotonic() < deadline, f"written and dropped are {seen}, recorded are {written}"
            time.sleep(0.1)
        output = stopped(server)
    assert met.failures == []
    assert set(met.answers) == {200}
    entries = store.entries()
    assert recorded(entries) < set(met.ids)
    assert dropped(entries) > 0
    assert len(recorded(entries)) + dropped(entries) == len(met.ids) == len(set(met.ids))
    away = [line for line in output.splitlines() if "the record cannot be written (" in line]
    back_again = re.findall(r"the record is written again after [\d.]+ s", output)
    # Once a worker, however many predictions; all clients may have met the same one.
    assert 1 <= len(away) == len(back_again) <= 2
    # A queue that is long after it may overflow once more, and that is told apart.
    told = re.findall(r"([\d,]+) predictions(?: were dropped|: they came faster)", output)
    assert sum(int(count.replace(",", "")) for count in told) == dropped(entries)
    assert "Traceback" not in output


def test_a_redis_that_does_not_answer_delays_nobody_and_loses_nothing(store: RedisServer, tiny_bundle: Path) -> None:
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
        while recorded(store.entries()) != set(met.ids):
            assert time.monotonic() < deadline, "the record was not whole in time"
            time.sleep(0.2)
        stopped(server)
    assert met.failures == []
    assert set(met.answers) == {200}
    assert during > 100
    # Its time-out is a second: nobody waited for that. A pause of this machine may hold up each client once.
    assert sorted(met.seconds[200])[-3] < 0.9
    # Some are there twice, as Redis had read them before it froze.
    assert recorded(store.entries()) == set(met.ids)
    assert dropped(store.entries()) == 0


def test_without_redis_the_service_starts_scores_and_stops_and_tells_no_password(tiny_bundle: Path) -> None:
    url = f"redis://scorer:{PASSWORD}@127.0.0.1:{free_port()}/0"
    with serving(tiny_bundle, REDIS_URL=url, WORKERS="1") as server:
        for _ in range(7):
            assert server.client.post(SCORES, content=SINGLE).status_code == 200
        time.sleep(1)
        began = time.monotonic()
        output = stopped(server)
        assert time.monotonic() - began < 5
    assert len([line for line in output.splitlines() if "the record cannot be written (" in line]) == 1
    assert "the record lacks 7 predictions" in output
    assert PASSWORD not in output


def test_a_wrong_password_is_named_and_not_told(tiny_bundle: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path) as store:
        store.client.config_set("requirepass", "right")
        url = store.url.replace("//", f"//:{PASSWORD}@")
        with serving(tiny_bundle, REDIS_URL=url) as server:
            assert server.client.post(SCORES, content=SINGLE).status_code == 200
            output = stopped(server)
    assert "AuthenticationError" in output
    assert PASSWORD not in output


def test_what_was_predicted_just_before_a_stop_is_recorded(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        answer = server.client.post(SCORES, json={"texts": ["良い宿"] * 1_000})
        stopped(server)
    name = answer.headers["X-Prediction-Id"]
    assert recorded(store.entries()) == {f"{name}.{place}" for place in range(1_000)}


def test_what_was_predicted_just_before_a_reload_is_recorded(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url) as server:
        old = wait_for_workers(server)
        with crowd(server, [SINGLE], clients=2) as met:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGHUP)
            wait_for_workers(server, without=old)
            time.sleep(0.3)
        stopped(server)
    assert met.failures == []
    assert recorded(store.entries()) == set(met.ids)


def test_the_record_is_capped(store: RedisServer, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_LENGTH="100") as server:
        for _ in range(3):
            server.client.post(SCORES, json={"texts": ["良い宿"] * 500})
        stopped(server)
    # Redis cuts whole nodes of a hundred entries off.
    assert 100 <= len(store.entries()) <= 200


@pytest.mark.parametrize(("url", "imported"), [("", False), ("redis://127.0.0.1:1/0", True)])
def test_the_client_of_redis_is_loaded_only_where_a_redis_is_named(
    tiny_bundle: Path, url: str, *, imported: bool
) -> None:
    code = "import sys; from review_scorer.app import get_app; get_app(); print('redis' in sys.modules)"
    environ = os.environ | {"SCORER_BUNDLE": str(tiny_bundle)}
    environ |= {"SCORER_REDIS_URL": url} if url else {}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)


class Shelf:
    """A store that works when it is told to."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fails = False

    async def add(self, _stream: str, entries: list[Entry]) -> None:
        if self.fails:
            raise StoreError("out of order")
        self.entries += entries

    async def close(self) -> None:
        pass


def test_a_store_that_swallows_the_end_does_not_hold_it_up() -> None:
    class Stubborn(Shelf):
        async def add(self, _stream: str, entries: list[Entry]) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            self.entries += entries

    shelf = Stubborn()
    recorder = Recorder(shelf, lambda each: {"id": each.id}, stream="s", held_bytes=10_000)  # type: ignore[arg-type]

    async def scene() -> None:
        await recorder.process_startup({}, {})
        recorder.add([LoggedPrediction("one", "", 1.0)])
        await asyncio.sleep(0.2)
        await asyncio.wait_for(recorder.process_shutdown({}, {}), 5)

    asyncio.run(scene())
    assert shelf.entries == [{"id": "one"}]


def test_each_prediction_waits_is_written_or_is_dropped_and_counted() -> None:
    shelf = Shelf()
    recorder = Recorder(shelf, lambda each: {"id": each.id, "score": "1"}, stream="s", held_bytes=5_100)  # type: ignore[arg-type]

    async def scene() -> None:
        shelf.fails = True
        await recorder.process_startup({}, {})
        recorder.add([LoggedPrediction(str(number), "", 1.0) for number in range(25)])
        await asyncio.sleep(0.1)
        assert (recorder.written, recorder.dropped) == (0, 15)
        shelf.fails = False
        await asyncio.sleep(0.5)
        assert (recorder.written, recorder.dropped) == (10, 15)
        # There is room again.
        recorder.add([LoggedPrediction("last", "", 1.0)])
        await recorder.process_shutdown({}, {})

    asyncio.run(scene())
    assert [entry["id"] for entry in shelf.entries if "score" in entry] == [*map(str, range(10)), "last"]
    assert [entry["dropped"] for entry in shelf.entries if "dropped" in entry] == ["15"]
    assert (recorder.written, recorder.dropped) == (11, 15)
