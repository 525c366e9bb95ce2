"""The benchmark on a small corpus: it measures every row, and its sides compare the same model."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import ipadic
import MeCab
import pytest

from tools.bench import bench
from tools.bench.experiments import profiling
from tools.bench.experiments.stages import AGREEMENT, BATCHES, GROUP
from tools.bench.figures import BASELINE, BASELINE_CODE, SERVICE, SIDES, Figures, Row
from tools.bench.servers import baseline_server, sides
from tools.bench.targets import TARGETS, judge


@pytest.fixture(scope="module")
def baseline(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "baseline"
    baseline_server.train(tiny_corpus, path, MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}"), 5)
    return path


@pytest.fixture(scope="module")
def report(tiny_bundle: Path, tiny_corpus: Path, baseline: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A report of two rounds in process, on 200 texts."""
    path = tmp_path_factory.mktemp("report") / "bench.json"
    models = ["--bundle", str(tiny_bundle), "--baseline", str(baseline), "--corpus", str(tiny_corpus)]
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
        patch.setattr("tools.bench.plan.LIST", 200)
        assert bench.main([*models, "--only", "stages", "--quick", "--json", str(path)]) == 0
    assert "single: vectorise" in output.getvalue()
    return json.loads(path.read_text())


def cells(report: Any, group: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row["sides"] for row in report["rows"] if row["group"] == group}


def test_every_stage_of_every_side_is_measured_for_every_batch_size(report: Any) -> None:
    rows = cells(report, GROUP)
    assert len(rows) == len(BATCHES) * 5
    for name, row in rows.items():
        # The baseline does not normalise.
        assert set(row) == (set(SIDES) - {BASELINE} if "normalise" in name else set(SIDES)), name
        for side in row.values():
            assert len(side["values"]) == 2
            assert 0 < side["low"] <= side["median"] <= side["high"]


def test_the_stages_add_up_to_about_the_whole(report: Any) -> None:
    rows = cells(report, GROUP)
    for side in SIDES:
        parts = [row[side]["low"] for name, row in rows.items() if name.startswith("single: ") and side in row]
        *stages, total = parts
        assert sum(stages) == pytest.approx(total, rel=0.5)


def test_the_baseline_code_gives_the_scores_of_the_service(report: Any) -> None:
    differences = cells(report, AGREEMENT.group)[AGREEMENT.name]
    assert set(differences) == {BASELINE_CODE}
    assert differences[BASELINE_CODE]["high"] < 1e-6


@pytest.mark.parametrize("name", SIDES)
def test_the_stages_that_are_timed_give_the_score_of_the_whole(
    tiny_bundle: Path, baseline: Path, reviews: list[dict[str, str]], name: str
) -> None:
    chain = sides.side(name, bundle=tiny_bundle, model=baseline)
    texts = [review["texts"] for review in reviews[:40]]
    many: Any = texts
    for stage in chain.stages:
        many = stage.many(many)
    assert many == pytest.approx(chain.score_many(texts), abs=1e-9)
    for text, score in zip(texts, many, strict=True):
        value: Any = text
        for stage in chain.stages:
            value = stage.one(value)
        assert value == pytest.approx(score, abs=1e-9)
        assert chain.score(text) == pytest.approx(score, abs=1e-9)


def test_the_report_names_the_code_the_machine_and_the_bundle(report: Any, tiny_bundle: Path) -> None:
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    assert report["bundle"]["parameters"] == manifest["parameters"]
    assert report["machine"]["cores"] >= 1
    assert report["libraries"]["lightgbm"] == manifest["libraries"]["lightgbm"]
    assert len(report["revision"]) == 40
    assert 0 <= report["others"] <= 1
    assert report["texts"]["distinct"] > 500


def test_only_targets_with_figures_are_judged(report: Any) -> None:
    names = [target["name"] for target in report["targets"]]
    assert "single review in process, baseline : service" in names
    assert not any("cold start" in name for name in names)


def test_a_target_is_the_ratio_of_medians_and_its_spread_that_of_the_rounds() -> None:
    target = next(target for target in TARGETS if target.name.startswith("cold start"))
    (row, service), (_, other) = target.cells
    figures = Figures()
    for fast, slow in ((0.3, 0.9), (0.4, 0.8), (0.9, 1.0)):
        figures.add(service, {row: fast})
        figures.add(other, {row: slow})
    (judged,) = judge(figures)
    assert judged["value"] == pytest.approx(0.4)
    assert (judged["low"], judged["high"]) == (pytest.approx(0.3), pytest.approx(0.81))
    assert judged["reached"]
    figures.add(service, {row: 3.0})
    figures.add(service, {row: 3.0})
    figures.add(other, {row: 0.9})
    figures.add(other, {row: 0.9})
    assert not judge(figures)[0]["reached"]


def test_an_interrupted_write_leaves_the_old_report(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    bench.write(path, {"rows": []})
    with pytest.raises(TypeError):
        bench.write(path, {"rows": object()})
    assert json.loads(path.read_text()) == {"rows": []}


def test_a_missing_wrk_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "wrk is not installed" in bench.EXPERIMENTS["http"].missing()


def test_a_failed_experiment_does_not_stop_the_others(
    tiny_bundle: Path,
    baseline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lock, path = tmp_path / "lock.txt", tmp_path / "bench.json"
    lock.write_text("numpy\n")
    monkeypatch.setattr("tools.bench.experiments.sizes.LOCK", lock)
    monkeypatch.setattr("tools.bench.plan.LIST", 100)
    models = ["--bundle", str(tiny_bundle), "--baseline", str(baseline)]
    assert bench.main([*models, "--only", "sizes,stages", "--quick", "--json", str(path)]) == 1
    report = json.loads(path.read_text())
    assert report["failed"] == ["sizes"]
    assert "sizes failed: cannot install lock.txt" in capsys.readouterr().out
    assert cells(report, GROUP)


def test_a_missing_bundle_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--bundle", str(tmp_path / "none"), "--json", str(tmp_path / "bench.json")]) == 2
    assert "no bundle at" in capsys.readouterr().err
    assert not (tmp_path / "bench.json").exists()


def test_an_unknown_experiment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--only", "stages,htpp"])
    assert "'htpp' is not one of " in capsys.readouterr().err


def test_samples_are_counted_by_function_not_by_line() -> None:
    top, within = profiling.count(["a (m.py:1);b (m.py:2) 3", "a (m.py:9);b (m.py:7) 1", "a (m.py:4);c::d (l.so) 2"])
    assert top == {"b (m.py)": 4, "c::d (l.so)": 2}
    assert within == {"a (m.py)": 6, "b (m.py)": 4, "c::d (l.so)": 2}


def test_rows_of_a_group_are_adjacent() -> None:
    figures = Figures()
    figures.add(SERVICE, {Row("a", "1", "s"): 1.0})
    figures.add(SERVICE, {Row("b", "1", "s"): 1.0})
    figures.add(SERVICE, {Row("a", "2", "s"): 1.0})
    assert [row["group"] for row in figures.as_json()] == ["a", "a", "b"]
