"""Intervals that hold what they promise, on stars that calibrated nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_scorer.scoring.bundle import load
from review_scorer.scoring.intervals import Intervals
from review_training.evaluation.interval_calibration import LEVEL, calibrate, calibrate_and_measure

STEPS = Intervals([2.0, 4.0], [-0.5, -1.5], [0.5, 0.25])


@pytest.mark.parametrize(
    ("score", "low", "high"), [(2.0, 1.5, 2.5), (3.0, 2.0, 3.375), (4.0, 2.5, 4.25), (1.0, 1.0, 1.5), (5.0, 3.5, 5.0)]
)
def test_offsets_are_interpolated_between_scores_and_held_beyond_them(score: float, low: float, high: float) -> None:
    assert STEPS.interval(score) == pytest.approx((low, high))


@given(st.floats(1, 5))
def test_the_interval_holds_its_score_and_stays_within_the_scale(score: float) -> None:
    low, high = STEPS.interval(score)
    assert 1 <= low <= score <= high <= 5


def test_fresh_stars_lie_inside_as_often_as_promised() -> None:
    random = np.random.default_rng(1)
    predicted = random.uniform(1, 5, 6_000)
    # Noise that grows with the score: one width for all would hold too many of the low and too few of the high.
    true = predicted + random.normal(0, 0.1 * predicted)
    offsets = calibrate(predicted[:3_000], true[:3_000])
    ends = np.array([offsets.interval(score) for score in predicted[3_000:]])
    inside = (ends[:, 0] <= true[3_000:]) & (np.minimum(true[3_000:], 5) <= ends[:, 1])
    for part in (predicted[3_000:] < 2, predicted[3_000:] > 3):
        assert 0.75 < inside[part].mean() < 0.86


def test_few_reviews_still_give_an_interval() -> None:
    found = calibrate_and_measure(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 3, 5]), np.array([0, 0, 1, 1]))
    assert found.level == LEVEL
    assert len(found.intervals.scores) == 1


def test_the_default_bundle_keeps_its_promise(default_bundle: Path) -> None:
    sure = json.loads((default_bundle / "manifest.json").read_text())["certainty"]
    assert 0.78 <= sure["coverage"] <= 0.83
    assert sure["median_width"] <= 2.2


def test_details_of_one_text_and_of_many_are_the_same(default_bundle: Path, reviews: list[dict[str, str]]) -> None:
    scorer = load(default_bundle).scorer
    texts = [review["texts"] for review in reviews[::40]]
    details = scorer.predict_many(texts)
    assert details == [scorer.detail(text) for text in texts]
    assert [detail.score for detail in details] == scorer.score_many(texts)
    assert all(
        0 <= detail.vocabulary_coverage <= 1 and detail.interval[0] <= detail.score <= detail.interval[1]
        for detail in details
    )
