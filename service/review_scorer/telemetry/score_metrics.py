"""Metrics of the scored texts, and their drift against training."""

import math
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from review_scorer.scoring.distribution import COVERAGE_EDGES, SCORE_EDGES, count
from review_scorer.scoring.scorer import Prediction
from review_scorer.telemetry.drift import MIN_VALUES, RecentCounts, population_stability_index
from review_scorer.telemetry.histogram import Histogram
from review_scorer.telemetry.shared_counters import SharedCounters


class ScoreMetrics:
    """Counts scores and vocabulary coverage in ``counters``; as a collector, yields the totals of all workers.

    ``bundle`` is the digest of the bundle that scores. ``trained`` maps ``score`` and ``vocabulary_coverage`` to the
    counts by bin that the bundle has of its held-out reviews. It is None if the bundle has none: then the PSI is NaN.
    """

    def __init__(self, counters: SharedCounters, trained: Mapping[str, Sequence[int]] | None, *, bundle: str) -> None:
        self._counters = counters
        self._trained = trained
        self._texts = counters.allocate("texts")
        self._scores = Histogram(counters, "score", SCORE_EDGES)
        self._coverage = Histogram(counters, "vocabulary_coverage", COVERAGE_EDGES)
        self._recent_scores = RecentCounts(counters, "recent score", bundle=bundle)
        self._recent_coverage = RecentCounts(counters, "recent vocabulary_coverage", bundle=bundle)

    def observe(self, predictions: Sequence[Prediction]) -> None:
        """Add the predictions of one request."""
        row = self._counters.row
        row[self._texts] += len(predictions)
        scores = [prediction.score for prediction in predictions]
        coverage = [prediction.vocabulary_coverage for prediction in predictions]
        score_counts, coverage_counts = count(scores, SCORE_EDGES), count(coverage, COVERAGE_EDGES)
        self._scores.observe_counts(row, score_counts, sum(scores))
        self._coverage.observe_counts(row, coverage_counts, sum(coverage))
        self._recent_scores.add(score_counts)
        self._recent_coverage.add(coverage_counts)

    def collect(self) -> Iterator[Metric]:
        """Yield the counter of texts, the two histograms and the two indices of drift."""
        totals = self._counters.totals
        yield CounterMetricFamily("scorer_texts", "Total number of texts scored.", totals[self._texts])
        yield HistogramMetricFamily(
            "scorer_score_stars", "Predicted scores in stars, from 1 to 5.", *self._scores.sample(totals)
        )
        yield HistogramMetricFamily(
            "scorer_vocabulary_coverage_ratio",
            "Ratio of the words of a text that are in the vocabulary of the model, from 0 to 1.",
            *self._coverage.sample(totals),
        )
        for name, recent in (("score", self._recent_scores), ("vocabulary_coverage", self._recent_coverage)):
            yield GaugeMetricFamily(
                f"scorer_{name}_psi",
                f"Population stability index of {name.replace('_', ' ')} in the last hour against training; "
                f"NaN below {MIN_VALUES} texts.",
                population_stability_index(recent.counts, self._trained[name]) if self._trained else math.nan,
            )
