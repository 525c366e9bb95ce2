"""Training on a cluster of two real worker processes on loopback, some of which are killed."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from review_scorer.scoring import bundle
from review_scorer.scoring.scorer import predict_base
from review_training.model.recipe import Recipe
from review_training.runs import train

pytestmark = pytest.mark.filterwarnings("default")  # Dask and its event loops have their own

QUICK = ["--no-seed-corpus", "--validation", "part", "--shard-size", "100"]
RMSE = 0.03
"""The tolerance for the RMSE against one machine's: each worker samples its own reviews for a tree."""
SCORES = 0.1
"""The tolerance for scores, as a root mean square, after training on 576 reviews."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def alone(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on one machine."""
    path = tmp_path_factory.mktemp("alone") / "bundle"
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(path), *QUICK]) == 0
    return path


def train_on(cluster: LocalCluster, corpus: str, path: Path, work: Path) -> int:
    scheduler = ["--scheduler", cluster.scheduler_address, "--work-dir", f"file://{work}"]
    return train.main(["--corpus", corpus, "--bundle", str(path), *QUICK, *scheduler])


def assert_alike(one: Path, other: Path, texts: list[str]) -> None:
    for name in ("vocabulary.txt", "idf.npy"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    scorers = [bundle.load(path).scorer for path in (one, other)]
    bases, scores = [], []
    for scorer in scorers:
        rows = scorer.vectorizer.transform(map(scorer._tokens, texts))  # noqa: SLF001
        bases.append(predict_base(rows, scorer.model.coefficients, scorer.model.intercept))
        scores.append(np.array(scorer.score_many(texts)))
    np.testing.assert_allclose(bases[0], bases[1], atol=1e-4, rtol=0)
    assert np.sqrt(np.mean((scores[0] - scores[1]) ** 2)) < SCORES
    errors = [json.loads((path / "manifest.json").read_text())["evaluation"]["rmse"] for path in (one, other)]
    assert errors[0] == pytest.approx(errors[1], abs=RMSE)


def test_a_cluster_trains_the_same_bundle_as_one_machine(
    cluster: LocalCluster, alone: Path, tiny_corpus: Path, tmp_path: Path, reviews: list[dict[str, str]]
) -> None:
    path = tmp_path / "bundle"
    assert train_on(cluster, f"file://{tiny_corpus}", path, tmp_path / "work") == 0
    assert_alike(alone, path, [review["texts"] for review in reviews[:1_000]])
    assert "machines" not in (path / "booster.txt").read_text()
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("step", ["*-tokens.done", "whole/vocabulary.done"])
def test_training_survives_a_killed_worker(
    step: str, cluster: LocalCluster, alone: Path, tiny_corpus: Path, tmp_path: Path, reviews: list[dict[str, str]]
) -> None:
    killer = kill_worker_once(cluster, lambda _: bool(list((tmp_path / "work").glob(f"*/{step}"))))
    path = tmp_path / "bundle"
    # Where it falls on the boosting, training says so, and goes on when it is run again.
    assert 0 in (train_on(cluster, str(tiny_corpus), path, tmp_path / "work") for _ in range(2))
    killer.join(60)
    assert not killer.is_alive()
    assert_alike(alone, path, [review["texts"] for review in reviews[:300]])


def test_a_worker_lost_while_boosting_is_reported_in_one_line_and_writes_no_bundle(
    cluster: LocalCluster,
    tiny_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So many rounds that boosting cannot be over before the worker is.
    monkeypatch.setattr(train, "Recipe", partial(Recipe, rounds=50_000))
    killer = kill_worker_once(cluster, is_boosting)
    assert train_on(cluster, str(tiny_corpus), tmp_path / "bundle", tmp_path / "work") == 1
    killer.join(60)
    assert not (tmp_path / "bundle").exists()
    assert "was lost while the trees were boosted; run it again" in capsys.readouterr().err.splitlines()[-1]


def kill_worker_once(cluster: LocalCluster, happened: Callable[[Client], bool]) -> threading.Thread:
    """Return a thread that kills a worker once something has happened."""

    def kill() -> None:
        deadline = time.monotonic() + 60
        with Client(cluster.scheduler_address) as client:
            while not happened(client) and time.monotonic() < deadline:
                time.sleep(0.002)
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def is_boosting(client: Client) -> bool:
    """Return whether both workers run LightGBM's part of the work."""
    return all(any("_train_part" in task for task in tasks) for tasks in client.processing().values())


def test_an_unreachable_scheduler_is_reported_in_one_line(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scheduler", "tcp://127.0.0.1:9", "--work-dir", str(tmp_path / "work"), "--cluster-timeout", "1"]
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "b"), *options]) == 1
    assert "no cluster at tcp://127.0.0.1:9" in capsys.readouterr().err.splitlines()[-1]


def test_missing_workers_are_reported_in_one_line(
    cluster: LocalCluster, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scheduler", cluster.scheduler_address, "--work-dir", str(tmp_path / "work")]
    options += ["--workers", "9", "--cluster-timeout", "1"]
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "b"), *options]) == 1
    assert "/9 workers arrived" in capsys.readouterr().err.splitlines()[-1]


def test_zero_workers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--corpus", "x.csv", "--bundle", str(tmp_path / "b"), "--scheduler", "local", "--workers", "0"])
    assert "--workers: '0' is not" in capsys.readouterr().err


def test_a_cluster_needs_a_work_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--corpus", "x.csv", "--bundle", str(tmp_path / "b"), "--scheduler", "tcp://127.0.0.1:9"])
    assert "--scheduler needs --work-dir" in capsys.readouterr().err
