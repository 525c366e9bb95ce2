"""The baseline server, really trained on a small corpus."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ipadic
import MeCab
import numpy as np
import pytest

from review_training.evaluation.original_recipe import PARAMETERS, ROUNDS
from tests.support.running import ROOT, free_port
from tests.support.stress_servers import stress
from tools.bench.servers import baseline_server

TEXT = "この映画は全くだめ、楽しくない。駄作"


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[str, list[str]]]:
    """The URL of a baseline server and the lines that it printed before it served."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.bench.servers.baseline_server", "--port", str(port), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("serving"):
                break
        yield f"http://127.0.0.1:{port}/api/1/users", lines
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def model(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baseline") / "model"
    tagger = MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}")
    baseline_server.train(tiny_corpus, path, tagger, 5)
    return path


def test_a_second_training_gives_the_same_scores(tiny_corpus: Path, model: Path, tmp_path: Path) -> None:
    tagger = MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}")
    again = tmp_path / "again"
    baseline_server.train(tiny_corpus, again, tagger, 5)
    texts = [tagger.parse(text).strip() for text in (TEXT, "最高でした", "")]
    scores = []
    for path in (model, again):
        vectorizer, booster = baseline_server.load(path)
        scores.append(list(np.asarray(booster.predict(vectorizer.transform(texts)))))
    assert scores[0] == scores[1]
    assert {path.name for path in model.iterdir()} == {"vectorizer.npz", "lightgbm.txt"}


def test_the_recipe_is_the_one_of_the_original() -> None:
    tfidf = baseline_server.union().transformer_list[0][1].get_params()
    expected = {"ngram_range": (1, 2), "max_features": 10_000, "sublinear_tf": True, "norm": "l2", "smooth_idf": False}
    assert expected.items() <= tfidf.items()
    assert tfidf["token_pattern"] == r"\w{1,}"  # noqa: S105
    assert PARAMETERS["num_leaves"] == 270
    assert PARAMETERS["learning_rate"] == 0.016
    assert ROUNDS == 450


def test_it_scores_single_reviews_and_runs_under_the_stress_tool(model: Path, tmp_path: Path) -> None:
    with serving("--model", model) as (url, lines):
        assert lines == [f"serving on {url.removeprefix('http://').removesuffix('/api/1/users')}"]
        request = urllib.request.Request(url, json.dumps({"texts": TEXT}).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert 1 <= json.load(answer)["score"] <= 5
        done = stress(tmp_path, url, "--connections", 2, "--duration", "1s")
    assert done.report["outcomes"]["ok"] == done.report["sent"] > 20


def test_it_trains_if_there_is_no_model(tiny_corpus: Path, tmp_path: Path) -> None:
    with serving("--model", tmp_path / "new", "--corpus", tiny_corpus, "--rounds", 2) as (_, lines):
        assert lines[0].startswith("training on ")
    assert (tmp_path / "new" / "lightgbm.txt").exists()


def test_without_a_model_the_corpus_is_required(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tools.bench.servers.baseline_server", "--model", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--corpus is required to train one" in done.stderr
