"""Training over many shards gives the result of training over one, and resumes after a kill."""

import csv
import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import random as random_matrix
from sklearn.linear_model import Ridge

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import expand
from review_scorer.scoring import bundle
from review_training.evaluation.cross_validation import ValidatedFit
from review_training.model import ridge
from review_training.runs import train
from tests.support.running import ROOT

QUICK = ["--no-seed-corpus", "--validation", "part"]


def trained(corpus: list[str], path: Path, *options: str) -> bundle.Bundle:
    assert train.main(["--corpus", *corpus, "--bundle", str(path), *QUICK, *options]) == 0
    return bundle.load(path)


@pytest.fixture(scope="module")
def whole(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny corpus in one shard, with a held-out part."""
    path = tmp_path_factory.mktemp("whole") / "bundle"
    trained([str(tiny_corpus)], path)
    return path


def same_vocabulary(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in ("vocabulary.txt", "idf.npy"))


def test_a_held_out_part_is_named_in_manifest_and_card(whole: Path) -> None:
    manifest = json.loads((whole / "manifest.json").read_text())
    evaluation, card = manifest["evaluation"], (whole / "model-card.md").read_text(encoding="utf-8")
    assert (evaluation["kind"], evaluation["folds"], evaluation["group"]) == ("part", 1, "")
    assert evaluation["rows"] == pytest.approx(manifest["corpus"]["rows"] / 4, abs=1)
    assert f"Measured on {evaluation['rows']} reviews in one held-out part" in card
    assert f"取り分けた {evaluation['rows']} 件のレビュー" in card


def test_many_files_and_shards_give_the_vocabulary_and_scores_of_one_shard(
    tiny_corpus: Path, whole: Path, tmp_path: Path, reviews: list[dict[str, str]]
) -> None:
    with tiny_corpus.open(encoding="utf-8", newline="") as whole_file:
        lines = list(csv.reader(whole_file))
    for number in range(5):
        with gzip.open(tmp_path / f"part-{number}.csv.gz", "wt", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([lines[0], *lines[1 + 144 * number : 145 + 144 * number]])
    assert len(lines) == 721
    sharded = trained([str(tmp_path / "part-*.csv.gz")], tmp_path / "sharded", "--shard-size", "100")
    assert same_vocabulary(whole, tmp_path / "sharded")
    texts = [review["texts"] for review in reviews[:500]]
    np.testing.assert_allclose(
        sharded.scorer.score_many(texts), bundle.load(whole).scorer.score_many(texts), atol=1e-5, rtol=0
    )


def test_the_base_over_one_block_equals_scikit_learns_to_the_last_bit() -> None:
    for shape in ((80, 300), (300, 80)):
        matrix = random_matrix(*shape, 0.1, format="csr", random_state=1)
        stars = np.random.default_rng(1).uniform(1, 5, shape[0])
        positions = np.flatnonzero(np.arange(shape[0]) % 5)
        theirs = Ridge(solver="sparse_cg", tol=1e-9, max_iter=10_000).fit(matrix[positions], stars[positions])
        problem = ridge.RidgeProblem(positions, stars[positions], np.ones(len(positions)))
        coefficients, intercept = ridge.solve(ridge.BlockMatrix([matrix]), problem, alpha=1, tolerance=1e-9)
        assert coefficients.tolist() == theirs.coef_.tolist()
        assert intercept == theirs.intercept_
        halves = ridge.BlockMatrix([matrix[:37], matrix[37:]])
        np.testing.assert_allclose(
            ridge.solve(halves, problem, alpha=1, tolerance=1e-9)[0], theirs.coef_, atol=1e-7, rtol=0
        )


def test_training_resumes_from_the_steps_that_finished_before_a_kill(
    tiny_corpus: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bundle"
    command = [
        "train-corpus/train.py",
        "--corpus",
        str(tiny_corpus),
        "--bundle",
        str(path),
        *QUICK,
    ]
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while not (work := list(tmp_path.glob(".bundle.work-*/whole/vocabulary.done"))):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
    assert not path.exists()
    before = work[0].stat().st_mtime_ns
    tokens = next(work[0].parents[1].glob("corpus-*-tokens.ids.npy"))
    made = tokens.stat().st_ino, before
    seen: list[tuple[int, int]] = []

    real = train.fit_and_validate

    def look(*arguments: object) -> ValidatedFit:
        validated = real(*arguments)  # type: ignore[arg-type]
        seen.append((tokens.stat().st_ino, work[0].stat().st_mtime_ns))
        return validated

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "fit_and_validate", look)
        assert train.main(command[1:]) == 0
    assert seen == [made]
    assert "resuming from the finished steps" in capsys.readouterr().err
    assert {each.name for each in tmp_path.iterdir()} == {"bundle", ".bundle.lock"}
    for file in path.iterdir():
        assert file.read_bytes() == (whole / file.name).read_bytes(), file.name


def test_errors_of_a_file_are_listed_with_their_row_and_the_rest_is_kept(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tiny_corpus.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    (tmp_path / "0.csv").write_text(text, encoding="utf-8")
    (tmp_path / "1.csv.gz").write_bytes(gzip.compress(text.encode())[:9_000])
    (tmp_path / "2.csv").write_bytes(lines[0].encode() + "5,良い品です,x\n".encode() + "5,悪い品,x\n".encode("cp932"))
    (tmp_path / "3.jsonl").write_text('{"rating": 5, "review": "型が変わる前"}\n{"value": 5, "words": "変わった後"}\n')
    (tmp_path / "4.csv").write_text("a,b\n1,2\n")
    (tmp_path / "5.parquet").write_bytes(b"PAR1 is not enough")
    trained([str(tmp_path / "?.*")], tmp_path / "bundle")
    with (tmp_path / "bundle-rejects.csv").open(encoding="utf-8", newline="") as file:
        listed = {(Path(row["source"]).name, row["row"]): row["reason"] for row in csv.DictReader(file)}
    cut = [(int(row), reason) for (name, row), reason in listed.items() if name == "1.csv.gz"]
    assert len(cut) == 1
    assert cut[0][0] > 10
    assert "Compressed file ended" in cut[0][1]
    assert listed["2.csv", "2"] == "text is not in the encoding"
    assert listed["3.jsonl", "2"] == "text missing"
    assert "no column for the stars" in listed["4.csv", "2"]
    assert "cannot read" in listed["5.parquet", "1"]
    assert "722 reviews" in capsys.readouterr().err


def test_a_pattern_is_expanded_in_order_and_must_match(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    assert expand(str(tmp_path / "*.csv")) == [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(CorpusError, match=r"none-\*\.csv: No such file"):
        expand(str(tmp_path / "none-*.csv"))
    with pytest.raises(CorpusError, match=r"\*\*\.csv: Invalid pattern"):
        expand(str(tmp_path / "**.csv"))


def test_the_seconds_of_each_step_are_written(tiny_corpus: Path, tmp_path: Path) -> None:
    trained([str(tiny_corpus)], tmp_path / "bundle", "--timings", str(tmp_path / "t.json"))
    seconds = json.loads((tmp_path / "t.json").read_text())
    assert {"read", "tokenise", "count", "merge", "vectorise", "base", "trees"} <= set(seconds)
    assert all(value >= 0 for value in seconds.values())
