"""The complete pipeline, compared with LightGBM's Python package."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest

from review_scorer.scoring.booster import Booster
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError, TextError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.vectors import Rows
from review_training.model.vectorize import as_matrix


@pytest.fixture(scope="module")
def scorer(default_bundle: Path) -> Scorer:
    return load(default_bundle).scorer


@pytest.fixture(scope="module")
def texts(reviews: list[dict[str, str]]) -> list[str]:
    return [review["texts"] for review in reviews]


def test_all_texts_of_unknown_words_have_the_same_score(scorer: Scorer) -> None:
    assert scorer.score("qwrtpz") == scorer.score("zxcvbn")


def test_a_positive_review_scores_high_and_a_negative_one_low(scorer: Scorer) -> None:
    assert scorer.score("すごい！最高に興奮した！楽しい") > 4.0
    assert scorer.score("この映画は全くだめ、楽しくない。駄作") < 2.5


def test_the_error_gives_the_index_of_the_first_invalid_text(scorer: Scorer) -> None:
    with pytest.raises(TextError) as refused:
        scorer.score_many(["良い", "悪い", " ", ""])
    assert (refused.value.code, refused.value.index) == ("text_empty", 2)


def test_an_empty_list_has_no_scores(scorer: Scorer) -> None:
    assert scorer.score_many([]) == []


def test_predictions_equal_those_of_lightgbms_python_package(default_bundle: Path, scorer: Scorer) -> None:
    del scorer  # loaded only so that two boosters exist at once
    model = (default_bundle / "booster.txt").read_text()
    ours = Booster(model)
    width = ours.width
    random = np.random.default_rng(1)
    columns = [np.append(np.sort(random.choice(width - 1, 59, replace=False)), width - 1) for _ in range(50)]
    values = [random.random(60) / 4 for _ in range(50)]
    rows = Rows(
        np.arange(0, 3001, 60, dtype=np.int32), np.concatenate(columns).astype(np.int32), np.concatenate(values)
    )
    expected = np.asarray(lightgbm.Booster(model_str=model).predict(as_matrix(rows, width), num_threads=1))
    # Before any batch: a batch call sets a library state that the single-row functions do not set.
    singles = [ours.predict_one(c[:-1], v[:-1], last=v[-1]) for c, v in zip(columns, values, strict=True)]
    assert singles == expected.tolist()
    assert ours.predict(rows).tolist() == expected.tolist()


def test_text_that_is_no_lightgbm_model_is_refused() -> None:
    with pytest.raises(BundleError, match="LightGBM"):
        Booster("not a model")
