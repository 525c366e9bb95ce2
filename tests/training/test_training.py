"""Training and evaluation by their command lines, and the figures that they print."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from review_scorer.corpora.errors import CorpusError
from review_training.evaluation import evaluate
from review_training.evaluation.rating_metrics import Figures, measure
from review_training.model.folds import split_folds
from review_training.runs import train
from tests.support import overlap
from tests.support.running import ROOT


def test_figures_follow_their_definitions() -> None:
    true, predicted = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 2, 3, 5, 4])
    figures = measure(true, predicted)
    assert figures.rmse == pytest.approx(np.sqrt(2 / 5))
    assert figures.mae == pytest.approx(2 / 5)
    assert figures.spearman == pytest.approx(0.9)
    assert figures.qwk == pytest.approx(0.9)


def test_a_constant_ranks_nothing() -> None:
    figures = measure(np.array([1.0, 3, 5]), np.full(3, 3.0))
    assert (figures.spearman, figures.qwk) == (0, 0)


def test_no_group_is_on_both_sides_of_a_split() -> None:
    groups = [f"product {index % 23}" for index in range(200)]
    for fitted, held_out in split_folds(np.arange(200.0), groups, 5, seed=1):
        assert not {groups[i] for i in fitted} & {groups[i] for i in held_out}
        assert len(fitted) + len(held_out) == 200


def test_evaluation_prints_one_json_object(
    tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rejects = ["--rejects", str(tmp_path / "rejects.csv")]
    assert evaluate.main(["--bundle", str(tiny_bundle), "--corpus", str(tiny_corpus), "--json", *rejects]) == 0
    figures = json.loads(capsys.readouterr().out)
    names = {"rmse", "mae", "spearman", "qwk"}
    assert set(figures) == {"rows"} | names | {f"constant_{name}" for name in names}
    assert figures["rows"] > 500
    assert figures["rmse"] < figures["constant_rmse"]


def test_the_seed_corpus_is_added_without_the_reviews_of_the_corpus(
    tiny_corpus: Path, tmp_path: Path, reviews: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "helped")]) == 0
    manifest = json.loads((tmp_path / "helped" / "manifest.json").read_text())
    assert manifest["corpus"]["rows"] + manifest["corpus"]["seed_corpus_rows"] == len(reviews)
    assert manifest["evaluation"]["rmse"] < manifest["evaluation"]["linear_rmse"]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:5]] == ["model", "linear", "constant"]


def test_the_bundle_contains_its_model_card_in_both_formats(default_bundle: Path) -> None:
    manifest = json.loads((default_bundle / "manifest.json").read_text())
    assert {"model-card.md", "model-card.html"} <= set(manifest["files"])
    assert f"{manifest['evaluation']['rmse']:.3f}" in (default_bundle / "model-card.md").read_text(encoding="utf-8")
    assert manifest["corpus"]["embedded"]


def test_training_compares_with_the_original_recipe(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--corpus",
        str(tiny_corpus),
        "--bundle",
        str(tmp_path / "compared"),
        "--no-seed-corpus",
        "--compare-original",
    ]
    assert train.main(arguments) == 0
    assert "\noriginal " in capsys.readouterr().out


def test_a_bundle_worse_than_its_linear_base_is_refused() -> None:
    good, bad = Figures(0.8, 0.6, 0.5, 0.6), Figures(0.85, 0.7, 0.5, 0.5)
    with pytest.raises(CorpusError, match="worse on held-out reviews"):
        train.refuse_harmful_trees(bad, good, allow=False)
    with pytest.raises(CorpusError, match="--allow-worse"):
        train.refuse_harmful_trees(Figures(0.81, 0.5, 0.5, 0.7), good, allow=False)
    train.refuse_harmful_trees(bad, good, allow=True)
    train.refuse_harmful_trees(good, bad, allow=False)


def test_evaluation_does_not_overwrite_the_rejects_of_training(
    tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    (tmp_path / "bundle-rejects.csv").write_text("of training", encoding="utf-8")
    assert evaluate.main(["--bundle", str(bundle), "--corpus", str(tiny_corpus)]) == 0
    assert (tmp_path / "bundle-rejects.csv").read_text(encoding="utf-8") == "of training"


def test_the_default_bundle_ranks_reviews_of_domains_it_was_not_fitted_on(default_bundle: Path) -> None:
    evaluation = json.loads((default_bundle / "manifest.json").read_text())["evaluation"]
    assert (evaluation["kind"], evaluation["folds"], evaluation["group"]) == ("folds", 5, "domain")
    assert evaluation["rmse"] < 1.0
    assert evaluation["spearman"] > 0.7


def test_training_prints_no_progress_in_a_pipe_and_lists_rejected_rows(
    tmp_path: Path, reviews: list[dict[str, str]]
) -> None:
    corpus = tmp_path / "corpus.csv"
    with corpus.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("points", "texts"))
        writer.writerows((review["points"], review["texts"]) for review in reviews[:300])
        writer.writerow(("many", "星が読めない"))
    bundle = tmp_path / "bundle"
    command = [
        sys.executable,
        "train-corpus/train.py",
        "--corpus",
        str(corpus),
        "--bundle",
        str(bundle),
        "--no-seed-corpus",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [
        "300 reviews; 0 exact duplicates dropped",
        f"1 rows skipped (1 stars unreadable), listed in {bundle}-rejects.csv",
    ]
    assert "星が読めない" in (tmp_path / "bundle-rejects.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("points,texts\n", "no row with text and stars"),
        ("points,texts\n5,良い\n1,悪い\n", "at least 10 reviews"),
        ("points,texts\n" + "".join(f"{1 + i % 5},{chr(0x4E00 + i) * 3}\n" for i in range(20)), "no term"),
        ("a,b\n1,2\n", "no column for the stars"),
        ("points,texts\n" + "".join(f"3,良い{chr(0x4E00 + i)}\n" for i in range(99)), "all reviews have 3 stars"),
    ],
)
def test_a_corpus_that_is_too_poor_is_reported_in_one_line(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "poor.csv").write_text(content, encoding="utf-8")
    assert (
        train.main(
            [
                "--corpus",
                str(tmp_path / "poor.csv"),
                "--bundle",
                str(tmp_path / "bundle"),
                "--no-seed-corpus",
            ]
        )
        == 1
    )
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("scale", ["10", "10-0", "a-b"])
def test_an_invalid_scale_is_refused(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(["--corpus", "x.csv", "--bundle", "b", "--scale", scale])
    assert ended.value.code == 2
    assert "like 0-10" in capsys.readouterr().err


def test_a_shared_run_of_fifteen_characters_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.csv").write_text("points,texts\n5,この宿の朝ごはんは品数が多くて満足でした\n", encoding="utf-8")
    (tmp_path / "near.csv").write_text("points,texts\n1,その宿の朝ごはんは品数が多かった\n", encoding="utf-8")
    (tmp_path / "copy.csv").write_text("points,texts\n1,この宿の 朝ごはんは品数が多くて、満足\n", encoding="utf-8")
    assert overlap.main([str(tmp_path / "own.csv"), str(tmp_path / "near.csv")]) == 0
    assert overlap.main([str(tmp_path / "own.csv"), str(tmp_path / "copy.csv")]) == 1
    assert "宿の朝ごはんは品数が多くて" in capsys.readouterr().out
