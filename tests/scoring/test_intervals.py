"""Prediction intervals have their nominal coverage on data that was not used for calibration."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_scorer.scoring.bundle import load
from review_scorer.scoring.intervals import Intervals
from review_training.evaluation.interval_calibration import LEVEL, calibrate, calibrate_and_measure

OFFSETS = Intervals([2.0, 4.0], [-0.5, -1.5], [0.5, 0.25])


@pytest.mark.parametrize(
    ("score", "low", "high"), [(2.0, 1.5, 2.5), (3.0, 2.0, 3.375), (4.0, 2.5, 4.25), (1.0, 1.0, 1.5), (5.0, 3.5, 5.0)]
)
def test_offsets_are_interpolated_between_scores_and_constant_beyond_them(
    score: float, low: float, high: float
) -> None:
    assert OFFSETS.interval(score) == pytest.approx((low, high))


@given(st.floats(1, 5))
def test_the_interval_contains_its_score_and_is_within_the_scale(score: float) -> None:
    low, high = OFFSETS.interval(score)
    assert 1 <= low <= score <= high <= 5


def test_the_intervals_contain_new_stars_at_the_nominal_rate() -> None:
    random = np.random.default_rng(1)
    predicted = random.uniform(1, 5, 6_000)
    # The noise grows with the score: one width for all scores would be too wide for low and too narrow for high ones.
    true = predicted + random.normal(0, 0.1 * predicted)
    offsets = calibrate(predicted[:3_000], true[:3_000])
    ends = np.array([offsets.interval(score) for score in predicted[3_000:]])
    inside = (ends[:, 0] <= true[3_000:]) & (np.minimum(true[3_000:], 5) <= ends[:, 1])
    for part in (predicted[3_000:] < 2, predicted[3_000:] > 3):
        assert 0.75 < inside[part].mean() < 0.86


def test_few_reviews_give_an_interval() -> None:
    found = calibrate_and_measure(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 3, 5]), np.array([0, 0, 1, 1]))
    assert found.level == LEVEL
    assert len(found.intervals.scores) == 1


def test_the_intervals_of_the_default_bundle_have_the_nominal_coverage(default_bundle: Path) -> None:
    sure = json.loads((default_bundle / "manifest.json").read_text())["intervals"]
    assert 0.78 <= sure["coverage"] <= 0.83
    assert sure["median_width"] <= 2.2


def test_predictions_of_one_text_and_of_many_texts_are_equal(
    default_bundle: Path, reviews: list[dict[str, str]]
) -> None:
    scorer = load(default_bundle).scorer
    texts = [review["texts"] for review in reviews[::40]]
    predictions = scorer.predict_many(texts)
    assert predictions == [scorer.predict(text) for text in texts]
    assert [prediction.score for prediction in predictions] == scorer.score_many(texts)
    assert all(
        0 <= each.vocabulary_coverage <= 1 and each.interval[0] <= each.score <= each.interval[1]
        for each in predictions
    )
