"""The scaling benchmark on little data: all configurations use the same files, and the plots show the results."""

import json
import re
from pathlib import Path

import pytest

from tools.bench.scaling import scale, synthetic
from tools.bench.scaling.process_tree import Cost


def test_all_configurations_score_the_same_files_and_are_in_the_report(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scale, "ROOT", tmp_path)
    out = tmp_path / "scale.json"
    options = ["--rows", "1200", "--only", "score", "--bundle", str(tiny_bundle), "--out", str(out)]
    for ways in (["one"], ["two", "dask-two"]):
        assert scale.main([*options, "--ways", *ways]) == 0
    assert len(list((tmp_path / "build" / "synthetic-1200").iterdir())) == scale.FILES
    runs = json.loads(out.read_text())["runs"]
    assert [run["way"] for run in runs] == ["one", "two", "dask-two"], "the records of an earlier report stay"
    for run in runs:
        assert run["peak"] >= run["peak_anonymous"] > 20
        assert 0 < run["steps"]["score"] < run["seconds"]
        assert run["rows_a_second"]["score"] == pytest.approx(1_200 / run["steps"]["score"], rel=0.01)
    drawn = [float(value) for value in re.findall(r'data-value="([^"]+)"', out.with_suffix(".html").read_text())]
    assert drawn == pytest.approx([run[measure] for measure in ("seconds", "peak") for run in runs], rel=1e-4)
    assert "| score | 1,200 | dask-two |" in capsys.readouterr().out


def test_the_speed_up_is_given_for_steps_that_both_have() -> None:
    cost = Cost(1, 1, 1)
    runs = [
        scale.Run(10, "dask-one", "train", cost, {"tokenise": 3.0, "base": 1.0}),
        scale.Run(10, "dask-two", "train", cost, {"tokenise": 1.5}),
        scale.Run(10, "one", "train", cost, {"tokenise": 3.0}),
    ]
    assert scale.speedups(runs) == ["dask-two / dask-one: tokenise 2.00"]


def test_a_seed_gives_the_same_reviews_of_about_120_characters() -> None:
    made = list(synthetic.reviews(500, seed=4))
    assert made == list(synthetic.reviews(500, seed=4))
    assert made != list(synthetic.reviews(500, seed=5))
    assert 120 <= sum(len(text) for _, text, _ in made) / 500 < 135
