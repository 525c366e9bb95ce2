"""The prediction log and the feedback become a corpus, and the errors of predictions are reported."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from review_scorer.prediction_log.entries import feedback_entry, full_text, gap_entry, hash_text, prediction_entry
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, time_of
from review_training.evaluation import evaluate
from review_training.feedback_loop import feedback
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import free_port, serving

OLD, NEW = "a" * 64, "b" * 64
# Of the second and the third ISO week of 2026, which begin on the 5th and the 12th of January.
FIRST_WEEK, SECOND_WEEK = 1_767_600_000_000, 1_768_300_000_000


def name(number: int, milliseconds: int = FIRST_WEEK) -> str:
    """An id with this time."""
    time = f"{milliseconds + number:012x}"
    return f"{time[:8]}-{time[8:]}-7000-8000-{number:012x}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), "--appendfsync", "no") as server:
        yield server


@pytest.fixture(autouse=True)
def empty(store: RedisServer) -> None:
    store.client.flushall()


def predicted(
    store: RedisServer,
    number: int,
    score: float,
    *,
    kept: bool = True,
    shadow: float | None = None,
    week: int = FIRST_WEEK,
    bundle: str = OLD,
) -> str:
    """Log a prediction; return its id."""
    prediction = LoggedPrediction(name(number, week), f"良い宿{number}", score, shadow)
    keep = full_text if kept else hash_text(b"key")
    store.client.xadd("predictions", dict(prediction_entry(prediction, keep, bundle=bundle, shadow_bundle=NEW)))
    return prediction.id


def said(store: RedisServer, identity: str, stars: float, text: str | None = None) -> None:
    store.client.xadd("predictions:feedback", dict(feedback_entry(identity, stars, text, full_text)))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_feedback_with_a_text_becomes_a_corpus_and_the_last_entry_counts(
    store: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three, four = (predicted(store, number, 4.0, kept=number != 3) for number in range(1, 5))
    for identity, stars in ((one, 5), (two, 1), (one, 2)):
        said(store, identity, stars)
    said(store, three, 3)
    said(store, four, 4.5, "別の文\n改行")
    said(store, name(9), 1, "記録にない予測")
    store.client.xadd("predictions", dict(gap_entry(name(8), 70)))
    store.client.xadd("predictions", dict(gap_entry(name(8), 77)))
    path = tmp_path / "new" / "feedback.csv"
    assert feedback.main(["--redis", store.url, "--out", str(path)]) == 0
    assert [(row["stars"], row["texts"], row["score"]) for row in rows(path)] == [
        ("2.0", "良い宿1", "4.0"),
        ("1.0", "良い宿2", "4.0"),
        ("4.5", "別の文\n改行", "4.0"),
        ("1.0", "記録にない予測", ""),
    ]
    told = capsys.readouterr().err
    assert "4 predictions, 77 dropped ones that are not in the log; feedback on 5, 1 of them not in the log" in told
    assert "1 left out without a text" in told
    assert [path.name for path in path.parent.iterdir()] == ["feedback.csv"]


def test_a_duplicate_entry_counts_once(store: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        said(store, predicted(store, 1, 4.0), 5)
    assert feedback.main(["--redis", store.url, "--out", str(tmp_path / "f.csv"), "--report"]) == 0
    assert len(rows(tmp_path / "f.csv")) == 1
    assert "1 predictions" in capsys.readouterr().err


def test_the_report_has_the_figures_by_bundle_and_week(store: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    judged: list[tuple[int, float, float, dict[str, Any]]] = [
        (1, 4.0, 5, {}),
        (2, 2.0, 1, {"shadow": 1.5}),
        (3, 3.0, 3, {"week": SECOND_WEEK}),
        (4, 5.0, 3, {"week": SECOND_WEEK, "bundle": NEW}),
    ]
    for number, score, stars, more in judged:
        said(store, predicted(store, number, score, **more), stars)
    predicted(store, 5, 1.0)
    assert feedback.main(["--redis", store.url, "--report"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    old, new = OLD[:12], NEW[:12]
    assert lines == [
        [old, "all", "3", f"{math.sqrt(2 / 3):.3f}", "0.667", "+0.000"],
        [old, "2026-W02", "2", "1.000", "1.000", "+0.000"],
        [old, "2026-W03", "1", "0.000", "0.000", "+0.000"],
        [new, "all", "1", "2.000", "2.000", "+2.000"],
        [new, "2026-W03", "1", "2.000", "2.000", "+2.000"],
        [new, "shadow", "all", "1", "0.500", "0.500", "+0.500"],
        [new, "shadow", "2026-W02", "1", "0.500", "0.500", "+0.500"],
    ]


def test_the_largest_disagreements_come_first(store: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    shadows = [4.1, 1.0, 4.0, 2.5]
    names = [predicted(store, n, 4.0, shadow=shadow, kept=n != 1) for n, shadow in enumerate(shadows)]
    predicted(store, 9, 1.0)
    said(store, names[3], 2)
    assert feedback.main(["--redis", store.url, "--disagreements", "3"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [[word for word in names if word in line] for line in lines] == [[names[1]], [names[3]], [names[0]]]
    assert lines[1].split() == ["4.000", "2.500", "-1.500", "2", names[3], "良い宿3"]
    assert "(hash " in lines[0]


def test_many_entries_are_read_in_batches_with_little_memory(store: RedisServer, tmp_path: Path) -> None:
    script = """
for n = 1, tonumber(ARGV[1]) do
  local id = string.format('%08x-%04x-7000-8000-%012x', n, n % 65536, n)
  redis.call('XADD', 'predictions', '*', 'id', id, 'time', '2026-01-05T00:00:00.000+00:00', 'score', '4', 'bundle', 'b',
    'text', string.rep('良い宿', 30) .. n)
  redis.call('XADD', 'predictions:feedback', '*', 'id', id, 'time', '2026-01-05T00:00:00.000+00:00', 'stars', '5')
end"""
    code = """if True:
    import resource, sys
    from review_training.feedback_loop import feedback
    status = feedback.main(sys.argv[1:])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    sys.exit(status)"""

    def peak(more: int) -> int:
        """The peak memory of reading, in kilobytes, after adding so many entries."""
        store.client.eval(script, 0, more)
        out = ["--redis", store.url, "--out", str(tmp_path / "f.csv"), "--report"]
        done = subprocess.run([sys.executable, "-c", code, *out], capture_output=True, text=True, check=True)
        return int(done.stdout.splitlines()[-1])

    few = peak(5_000)
    store.client.flushall()
    # The texts take 20 MB in UTF-8; in memory are a batch of them, and the cache of the database.
    many = peak(60_000)
    assert len(rows(tmp_path / "f.csv")) == 60_000
    assert many - few < 45_000


@pytest.mark.parametrize("stars", [None, 3])
def test_without_a_text_nothing_is_written(
    store: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], stars: float | None
) -> None:
    identity = predicted(store, 1, 4.0, kept=False)
    if stars:
        said(store, identity, stars)
    path = tmp_path / "feedback.csv"
    path.write_text("before")
    assert feedback.main(["--redis", store.url, "--out", str(path)]) == 1
    assert path.read_text() == "before"
    assert "there is no feedback with a text" in capsys.readouterr().err


def test_an_unreachable_redis_is_reported_in_one_line_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    for url in (f"redis://:hunter2@127.0.0.1:{free_port()}/0", "http://:hunter2@127.0.0.1", "redis://:hun/ter2@127"):
        assert feedback.main(["--redis", url, "--report"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("feedback.py: ")
        assert told.count("\n") == 1
        assert "hun" not in told


def test_a_missing_stream_is_named(store: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert feedback.main(["--redis", store.url, "--stream", "others", "--report"]) == 1
    assert "'others'" in capsys.readouterr().err


def test_feedback_on_served_scores_is_a_corpus_for_training(
    store: RedisServer, tiny_bundle: Path, tmp_path: Path
) -> None:
    texts = [f"部屋は狭いけれど朝食が美味しかった、{number}回目。" for number in range(20)]
    with serving(tiny_bundle, REDIS_URL=store.url, PREDICTION_LOG_TEXT="masked") as server:
        results = server.client.post("/api/1/scores", json={"texts": texts, "detail": True}).json()["results"]
        store.wait_for(20)
        for number, result in enumerate(results):
            stars = 1 + number % 5
            body = json.dumps({"id": result["id"], "stars": stars})
            assert server.client.post("/api/1/feedback", content=body).status_code == 200
    path = tmp_path / "feedback.csv"
    assert feedback.main(["--redis", store.url, "--out", str(path)]) == 0
    assert {row["texts"]: float(row["stars"]) for row in rows(path)} == {
        text: 1 + number % 5 for number, text in enumerate(texts)
    }
    assert [row["time"] >= time_of(row["id"]) for row in rows(path)] == [True] * 20
    assert (
        evaluate.main(["--corpus", str(path), "--bundle", str(tiny_bundle), "--rejects", str(tmp_path / "r.csv")]) == 0
    )
