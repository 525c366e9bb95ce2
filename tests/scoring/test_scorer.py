"""The whole chain, held against scikit-learn and LightGBM's own Python package at the same parameters."""

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


def test_a_text_of_unknown_words_gets_the_intercept_and_no_error(scorer: Scorer) -> None:
    assert scorer.score("qwrtpz") == scorer.score("zxcvbn")


def test_the_two_examples_score_as_anybody_would(scorer: Scorer) -> None:
    assert scorer.score("すごい！最高に興奮した！楽しい") > 4.0
    assert scorer.score("この映画は全くだめ、楽しくない。駄作") < 2.5


def test_a_bad_text_in_a_list_is_named_before_any_is_scored(scorer: Scorer) -> None:
    with pytest.raises(TextError) as refused:
        scorer.score_many(["良い", "悪い", " ", ""])
    assert (refused.value.code, refused.value.index) == ("text_empty", 2)


def test_an_empty_list_has_no_scores(scorer: Scorer) -> None:
    assert scorer.score_many([]) == []


def test_trees_answer_as_lightgbms_own_package_does(default_bundle: Path, scorer: Scorer) -> None:
    del scorer  # its booster and this one live side by side
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
    # Before any batch: a batch sets in the library what the single-row functions forget to.
    singles = [ours.predict_one(c[:-1], v[:-1], last=v[-1]) for c, v in zip(columns, values, strict=True)]
    assert singles == expected.tolist()
    assert ours.predict(rows).tolist() == expected.tolist()


def test_trees_that_are_no_model_are_refused() -> None:
    with pytest.raises(BundleError, match="LightGBM"):
        Booster("not a model")
