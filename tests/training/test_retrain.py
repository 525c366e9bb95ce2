"""Retraining with feedback: the bundle is replaced only by one that is no worse, and is whole at every moment."""

import csv
import errno
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from review_scorer.prediction_log.entries import feedback_entry, full_text, gap_entry
from review_scorer.scoring.bundle import load
from review_training.feedback_loop import retrain
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import ROOT, free_port

Row = dict[str, str]
QUICK = ["--", "--no-seed-corpus", "--validation", "part"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), "--appendfsync", "no") as server:
        yield server


@pytest.fixture(autouse=True)
def empty(store: RedisServer) -> None:
    store.client.flushall()


@pytest.fixture
def served(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def unseen(reviews: list[Row]) -> list[Row]:
    """Reviews that the tiny bundle was not trained on."""
    return [row for number, row in enumerate(reviews) if number % 12 and number % 3 == 1]


def said(store: RedisServer, rows: Iterable[Row], stars: Callable[[Row], float]) -> None:
    """Log feedback on each review."""
    pipe = store.client.pipeline()
    pipe.xadd("predictions", dict(gap_entry("00000000-0000-7000-8000-000000000000", 1)))
    for number, row in enumerate(rows):
        identity = f"{number:08x}-0000-7000-8000-000000000001"
        pipe.xadd("predictions:feedback", dict(feedback_entry(identity, stars(row), row["texts"], full_text)))
    pipe.execute()


def truly(row: Row) -> float:
    return float(row["points"])


def the_wrong_way_round_where_it_is_learnt_from(row: Row) -> float:
    return truly(row) if retrain.is_held_out(row["texts"]) else 6 - truly(row)


def corpus_of(rows: Iterable[Row], path: Path, stars: Callable[[Row], float]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("points", "texts"), *((stars(row), row["texts"]) for row in rows)])
    return path


def options(store: RedisServer, corpus: Path, served: Path, *more: str) -> list[str]:
    return ["--redis", store.url, "--corpus", str(corpus), "--bundle", str(served), *more, *QUICK]


def beside(served: Path) -> set[str]:
    return {path.name for path in served.parent.iterdir()} - {served.name, ".bundle.lock", "corpus.csv"}


def test_a_better_bundle_replaces_the_old_one_and_leaves_no_files(
    store: RedisServer, served: Path, tiny_corpus: Path, unseen: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(served)
    said(store, unseen, truly)
    assert retrain.main(options(store, tiny_corpus, served)) == 0
    after, printed = load(served), capsys.readouterr().out
    assert after.digest != before.digest
    held_out = sum(retrain.is_held_out(row["texts"]) for row in unseen)
    line = f"{served} was replaced: the new bundle is no worse on {held_out} held-out reviews"
    assert printed.splitlines()[-1] == line
    learnt = after.manifest["corpus"]["rows"] / (1 - 1 / 5)  # a fifth is held out to measure
    assert learnt == pytest.approx(before.manifest["corpus"]["rows"] + len(unseen) - held_out, rel=0.05)
    assert beside(served) == set()


def test_a_worse_bundle_is_not_used_and_exits_with_1(
    store: RedisServer, served: Path, unseen: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(served).digest
    corpus = corpus_of(unseen[::2], tmp_path / "corpus.csv", lambda row: 6 - truly(row))
    said(store, unseen, the_wrong_way_round_where_it_is_learnt_from)
    assert retrain.main(options(store, corpus, served)) == 1
    assert load(served).digest == before
    captured = capsys.readouterr()
    assert "B is worse by rmse" in captured.out
    assert captured.err.splitlines()[-1] == f"retrain.py: the new bundle is worse; {served} was not replaced"
    assert beside(served) == set()


def test_a_kill_leaves_the_old_bundle_and_the_next_run_succeeds(
    store: RedisServer, served: Path, tiny_corpus: Path, unseen: list[Row]
) -> None:
    before = load(served).digest
    said(store, unseen, truly)
    command = [sys.executable, "train-corpus/retrain.py", *options(store, tiny_corpus, served)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 90
        while not (served.parent / ".bundle.retrain" / "bundle" / "manifest.json").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)  # the new bundle is whole, and not compared yet
    assert load(served).digest == before
    assert beside(served) == {".bundle.retrain"}
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert load(served).digest != before
    assert beside(served) == set()


def test_a_bundle_that_cannot_be_swapped_in_is_kept_where_the_message_says(
    store: RedisServer,
    served: Path,
    tiny_corpus: Path,
    unseen: list[Row],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = load(served).digest
    said(store, unseen, truly)
    monkeypatch.setattr("review_scorer.scoring.bundle._exchange", lambda *_: errno.EINVAL)  # as on NFS
    assert retrain.main(options(store, tiny_corpus, served)) == 2
    new = served.parent / ".bundle.retrain" / "bundle"
    assert f"the new bundle is complete at {new}" in capsys.readouterr().err.splitlines()[-1]
    assert load(served).digest == before != load(new).digest


def test_too_little_feedback_exits_with_0_and_changes_nothing(
    store: RedisServer, served: Path, tiny_corpus: Path, unseen: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(served).digest
    said(store, unseen[:20], truly)
    assert retrain.main(options(store, tiny_corpus, served)) == 0
    assert "held-out reviews, fewer than --min-reviews 100" in capsys.readouterr().err.splitlines()[-1]
    assert load(served).digest == before
    assert beside(served) == set()


def test_the_held_out_texts_are_a_fifth_and_always_the_same(reviews: list[Row]) -> None:
    apart = [row["texts"] for row in reviews if retrain.is_held_out(row["texts"])]
    assert len(apart) == pytest.approx(len(reviews) / 5, rel=0.1)
    assert all(retrain.is_held_out(f" {text}。 ") for text in apart)


def test_a_failed_training_leaves_the_bundle(
    store: RedisServer, served: Path, unseen: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(served).digest
    said(store, unseen, truly)
    assert retrain.main(options(store, tmp_path / "nowhere.csv", served)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("retrain.py: training failed: cannot read")
    assert line.endswith(f"; {served} was not replaced")
    assert load(served).digest == before


def test_an_unusable_bundle_or_redis_is_reported_in_one_line_before_the_work(
    store: RedisServer, served: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retrain.main(options(store, tiny_corpus, tmp_path / "none")) == 2
    assert capsys.readouterr().err.startswith(f"retrain.py: no bundle at {tmp_path / 'none'}")
    away = ["--redis", f"redis://:hunter2@127.0.0.1:{free_port()}/0", "--corpus", str(tiny_corpus)]
    assert retrain.main([*away, "--bundle", str(served)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("retrain.py: cannot read from Redis")
    assert "hunter2" not in told
    assert beside(served) == set()


def test_an_unexpected_error_does_not_exit_like_a_worse_bundle(
    store: RedisServer, served: Path, tiny_corpus: Path, unseen: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    said(store, unseen, truly)
    store.client.xadd("predictions:feedback", {"id": "1", "time": "never", "stars": "many"})
    assert retrain.main(options(store, tiny_corpus, served)) == 2
    assert "Traceback" in capsys.readouterr().err
    assert not beside(served)
