"""The comparison of two bundles, with bundles that are really trained."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from review_scorer.scoring.bundle import load
from review_training.evaluation import compare
from review_training.evaluation.compare import Difference, cluster_positions, differences, worse_figures
from review_training.evaluation.rating_metrics import measure

FIGURES = {"rmse", "mae", "spearman", "qwk"}


@pytest.fixture(scope="module")
def unseen(reviews: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews that the tiny bundle was not trained on; the default one was, so it is certainly better on them."""
    path = tmp_path_factory.mktemp("compared") / "unseen.csv"
    write(path, [(row["points"], row["texts"], row["domain"]) for row in reviews[5::12]])
    return path


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("points", "texts", "domain"), *rows])


def run(a: Path, b: Path, corpus: Path, *more: str) -> int:
    rejects = ("--rejects", str(corpus.with_name("rejects.csv")))
    return compare.main([str(a), str(b), "--corpus", str(corpus), "--samples", "100", *rejects, *more])


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_a_worse_bundle_exits_with_1_and_names_the_figures(
    default_bundle: Path, tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(default_bundle, tiny_bundle, unseen) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"A: {default_bundle}", f"B: {tiny_bundle}"]
    assert [line.split()[0] for line in lines[4:8]] == ["rmse", "mae", "spearman", "qwk"]
    assert [line.partition(":")[0] for line in lines[-2:]] == ["B is worse by rmse", "B is worse by spearman"]


def test_a_better_bundle_exits_with_0(
    default_bundle: Path, tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_bundle, default_bundle, unseen) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "B is not worse, by rmse or by spearman"


def test_a_bundle_is_not_worse_than_itself(tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny_bundle, tiny_bundle, unseen, "--json") == 0
    answer = printed(capsys)
    assert (answer["worse"], answer["differ_most"]) == ([], [])
    assert all((figure["low"], figure["high"]) == (0, 0) for figure in answer["figures"].values())


def test_json_has_the_figures_of_both_and_the_reviews_that_differ_most(
    default_bundle: Path, tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(default_bundle, tiny_bundle, unseen, "--json") == 1
    answer = printed(capsys)
    with unseen.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts, true = [row["texts"] for row in rows], np.array([float(row["points"]) for row in rows])
    a, b = (np.array(load(bundle).scorer.score_many(texts)) for bundle in (default_bundle, tiny_bundle))
    assert answer["rows"] == len(rows)
    assert answer["worse"] == ["rmse", "spearman"]
    assert set(answer["figures"]) == FIGURES
    for name, figure in answer["figures"].items():
        assert figure["a"] == pytest.approx(getattr(measure(true, a), name), abs=1e-6)
        assert figure["b"] == pytest.approx(getattr(measure(true, b), name), abs=1e-6)
        assert figure["low"] < figure["difference"] < figure["high"]
    assert len(answer["differ_most"]) == 10
    furthest = [abs(row["b"] - row["a"]) for row in answer["differ_most"]]
    assert furthest == pytest.approx(sorted(np.abs(b - a), reverse=True)[:10], abs=2e-6)
    first = int(np.argmax(np.abs(b - a)))
    assert answer["differ_most"][0]["text"] == " ".join(texts[first][:60].split())
    assert answer["differ_most"][0]["stars"] == true[first]


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others(
    default_bundle: Path, tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for seed in ("1", "1", "2"):
        run(default_bundle, tiny_bundle, unseen, "--json", "--seed", seed)
        answers.append(printed(capsys)["figures"])
    assert answers[0] == answers[1] != answers[2]


def test_reviews_of_one_group_are_drawn_together(
    default_bundle: Path, tiny_bundle: Path, unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(default_bundle, tiny_bundle, unseen, "--group-column", "domain") == 1
    assert "100 bootstrap samples by domain" in capsys.readouterr().out
    assert [part.tolist() for part in cluster_positions(["b", "a", "b", "", "a"])] == [[3], [1, 4], [0, 2]]
    assert [part.tolist() for part in cluster_positions(["", "", ""])] == [[0], [1], [2]]


def test_groups_that_differ_among_each_other_widen_the_interval() -> None:
    generator = np.random.default_rng(1)
    groups = [f"product {row % 8}" for row in range(400)]
    true = generator.integers(1, 6, 400).astype(float)
    error = generator.normal(0, 1, 8)[np.arange(400) % 8]
    width = {}
    for by, clusters in (("review", cluster_positions([""] * 400)), ("group", cluster_positions(groups))):
        figure = differences(true, true, true + error, clusters, samples=200, seed=1)["rmse"]
        width[by] = figure.high - figure.low
    assert width["group"] > 2 * width["review"]


def test_an_interval_is_as_wide_as_the_errors_of_the_same_reviews_make_it() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(1, 6, 500).astype(float)
    shared = generator.normal(0, 1, 500)
    a, b = true + shared, true + 1.1 * shared + generator.normal(0, 0.2, 500)
    figure = differences(true, a, b, cluster_positions([""] * 500), samples=400, seed=1)["rmse"]
    # The delta method: what each review adds to the difference of the roots.
    influence = ((b - true) ** 2 - figure.b**2) / (2 * figure.b) - ((a - true) ** 2 - figure.a**2) / (2 * figure.a)
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * influence.std() / np.sqrt(500), rel=0.15)
    assert figure.low < figure.difference < figure.high


@pytest.mark.parametrize(
    ("rmse", "spearman", "found"),
    [
        ((0.01, 0.03), (-0.02, 0.01), ["rmse"]),
        ((-0.01, 0.03), (-0.02, -0.01), ["spearman"]),
        ((0.01, 0.03), (-0.02, -0.01), ["rmse", "spearman"]),
        ((0.0, 0.03), (-0.02, 0.0), []),
        ((-0.03, -0.01), (0.01, 0.02), []),
    ],
)
def test_worse_means_an_interval_on_the_bad_side_of_zero(
    rmse: tuple[float, float], spearman: tuple[float, float], found: list[str]
) -> None:
    assert worse_figures({"rmse": Difference(1, 1, 0, *rmse), "spearman": Difference(0.5, 0.5, 0, *spearman)}) == found


def test_rejected_rows_are_listed_beside_the_second_bundle(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "second")
    write(tmp_path / "some.csv", [("5", "好き", ""), ("1", "嫌い", ""), ("many", "星が読めない", "")])
    assert compare.main([str(bundle), str(bundle), "--corpus", str(tmp_path / "some.csv"), "--samples", "100"]) == 0
    assert "1 rows skipped" in capsys.readouterr().err
    assert "星が読めない" in (tmp_path / "second-compare-rejects.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("points,texts\n", [], "no row with text and stars"),
        ("points,texts\n5,良い\n", [], "at least 2 reviews"),
        ("points,texts,shop\n5,良い,a\n1,悪い,a\n", ["--group-column", "shop"], "shops of them"),
        ("points,texts\n5,良い\n1,悪い\n", ["--group-column", "shop"], "no column for the group"),
        ("a,b\n1,2\n", [], "no column for the stars"),
    ],
)
def test_a_corpus_too_small_to_compare_on_exits_with_2_and_one_line(
    content: str, more: list[str], message: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "poor.csv").write_text(content, encoding="utf-8")
    assert run(tiny_bundle, tiny_bundle, tmp_path / "poor.csv", *more) == 2
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[-1]
    assert captured.out == ""


def test_a_directory_without_a_bundle_exits_with_2_and_one_line(
    tiny_bundle: Path, unseen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_bundle, tmp_path / "nowhere", unseen) == 2
    assert run(tmp_path, tiny_bundle, unseen) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"compare.py: no bundle at {tmp_path / 'nowhere'}")
    assert lines[1].startswith(f"compare.py: cannot read {tmp_path / 'manifest.json'}")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one", "two"], "--corpus"),
        (["one", "--corpus", "c.csv"], "BUNDLE_B"),
        (["one", "two", "--corpus", "c.csv", "--samples", "99"], "at least 100"),
        (["one", "two", "--corpus", "c.csv", "--samples", "many"], "at least 100"),
        (["one", "two", "--corpus", "c.csv", "--seed", "-1"], "at least 0"),
    ],
)
def test_invalid_arguments_exit_with_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
