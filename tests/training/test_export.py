"""The exported graph has the scores of the bundle in onnxruntime."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from review_scorer.scoring import text as text_rules
from review_scorer.scoring.booster import Booster
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Model
from review_scorer.scoring.vectors import Rows
from review_training.export import onnx_export, onnx_graph

CLOSE = 1e-5


@pytest.fixture(scope="module")
def graph(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "reviews.onnx"
    assert onnx_export.main(["--bundle", str(tiny_bundle), "--onnx", str(path)]) == 0
    return path


def test_the_graph_scores_the_whole_embedded_corpus_as_the_bundle_does(
    default_bundle: Path, reviews: list[dict[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "reviews.onnx"
    assert onnx_export.main(["--bundle", str(default_bundle), "--onnx", str(path)]) == 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scorer = load(default_bundle).scorer
    for start in range(0, len(reviews), 200):
        texts = [review["texts"] for review in reviews[start : start + 200]]
        rows = scorer.vectorizer.transform(scorer.tokenizer(text_rules.normalise(text)) for text in texts)
        (scores,) = session.run(None, {"vector": onnx_export.dense(rows, scorer.vectorizer.width)})
        assert scores == pytest.approx(scorer.score_many(texts), abs=CLOSE)


def test_the_metadata_describes_the_steps_before_the_graph(graph: Path, tiny_bundle: Path) -> None:
    told = {each.key: each.value for each in onnx.load(graph).metadata_props}
    manifest = (tiny_bundle / "manifest.json").read_bytes()
    assert told["bundle_sha256"] == hashlib.sha256(manifest).hexdigest()
    outside = json.loads(told["outside"])
    assert outside["tokeniser"]["name"] == "MeCab"
    assert outside["tokeniser"]["dictionary"] == json.loads(manifest)["dictionary"]
    assert outside["vectors"]["vocabulary_sha256"] == json.loads(manifest)["files"]["vocabulary.txt"]
    assert outside["vectors"]["longest_ngram"] == 3
    assert outside["normalisation"] == json.loads(manifest)["normalisation"]


def test_the_input_is_dense_rows_of_double_and_the_output_one_score_a_row(graph: Path, tiny_bundle: Path) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (vector,), (score,) = session.get_inputs(), session.get_outputs()
    width = load(tiny_bundle).scorer.vectorizer.width
    assert (vector.name, vector.type, vector.shape) == ("vector", "tensor(double)", ["n", width])
    assert (score.name, score.type, score.shape) == ("score", "tensor(double)", ["n"])


def test_the_report_is_printed_as_json(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "reviews.onnx"
    assert onnx_export.main(["--bundle", str(tiny_bundle), "--onnx", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["bytes"] == path.stat().st_size
    assert 0 <= facts["difference"] <= CLOSE
    assert [each.name for each in path.parent.iterdir()] == ["reviews.onnx"]


def model_of(features: NDArray[np.float64], stars: NDArray[np.float64], **parameters: Any) -> tuple[Model, str]:
    """A model with trees trained on the features, and the text of these trees."""
    options: dict[str, Any] = {
        "objective": "regression",
        "min_data_in_leaf": 1,
        "verbosity": -1,
        "num_threads": 1,
        **parameters,
    }
    categories = options.pop("categorical_feature", "auto")
    data = lightgbm.Dataset(features, stars, categorical_feature=categories)
    text = lightgbm.train(options, data, num_boost_round=5).model_to_string()
    columns = features.shape[1]
    return Model(np.linspace(-0.1, 0.1, columns - 1), 3.0, Booster(text)), text


RANDOM = np.random.default_rng(1)
FEATURES = RANDOM.random((200, 4))
STARS = FEATURES @ [1.0, -2.0, 3.0, 1.0] + RANDOM.random(200)


def assert_equal(model: Model, text: str, vectors: NDArray[np.float64]) -> None:
    count, columns = vectors.shape
    indices = np.tile(np.arange(columns, dtype=np.int32), count)
    rows = Rows(np.arange(0, count * columns + 1, columns, dtype=np.int32), indices, vectors.ravel())
    scores = onnx_export.run(onnx_graph.build(model, text).SerializeToString(), vectors)
    assert scores == pytest.approx(model.predict(rows), abs=1e-12)


def test_a_value_on_a_threshold_takes_the_same_branch() -> None:
    model, text = model_of(FEATURES, STARS)
    thresholds = [
        float(number) for line in text.split("\n") if line.startswith("threshold=") for number in line[10:].split()
    ]
    assert len(thresholds) > 50
    on = np.repeat(np.array(thresholds)[:, None], 3, axis=1)
    for vectors in (on, np.nextafter(on, 9), np.nextafter(on, -9)):
        assert_equal(model, text, vectors)


def test_trees_of_a_single_leaf_are_exported() -> None:
    model, text = model_of(FEATURES, STARS, min_data_in_leaf=150)
    assert "num_leaves=1\n" in text
    assert_equal(model, text, FEATURES[:, :3].copy())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"zero_as_missing": True}, "zeros as missing values"),
        ({"objective": "poisson"}, "the objective of the trees is not regression"),
        ({"linear_tree": True}, "linear leaves"),
        ({"categorical_feature": [0]}, "splits by categories"),
    ],
)
def test_trees_that_the_operator_cannot_evaluate_are_refused(parameters: dict[str, object], said: str) -> None:
    features = np.column_stack([np.arange(200) % 4, FEATURES[:, 1:]]).astype(float)
    features[::3, 1] = 0
    model, text = model_of(features, np.abs(STARS) + (features[:, 0] == 2) * 5, **parameters)
    with pytest.raises(onnx_graph.ExportError, match=said):
        onnx_graph.build(model, text)


def test_a_failed_export_is_reported_in_one_line_and_leaves_the_old_file(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.onnx"
    old.write_text("old")
    assert onnx_export.main(["--bundle", str(tmp_path), "--onnx", str(old)]) == 1
    assert onnx_export.main(["--bundle", str(tiny_bundle), "--onnx", str(old / "x.onnx")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("export.py: ") for line in lines)
    assert old.read_text() == "old"


def test_a_bundle_that_was_replaced_during_the_export_is_not_exported(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, copy)
    bundle = load(copy)
    (copy / "booster.txt").write_text("another")
    with pytest.raises(onnx_graph.ExportError, match="was replaced"):
        onnx_export.export(bundle, copy, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_graph_with_other_scores_is_not_written(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load(tiny_bundle)

    def build_otherwise(model: Model, booster: str) -> onnx.ModelProto:
        return onnx_graph.build(Model(model.coefficients, model.intercept + 0.001, model.booster), booster)

    monkeypatch.setattr(onnx_export, "build", build_otherwise)
    with pytest.raises(onnx_graph.ExportError, match=r"differs from the bundle by .* it was not written"):
        onnx_export.export(bundle, tiny_bundle, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
