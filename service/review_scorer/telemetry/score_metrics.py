"""What is counted of each scored text, and whether it still looks like what the bundle was trained on."""

import math
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from review_scorer.scoring.distribution import COVERAGE_EDGES, SCORE_EDGES, count
from review_scorer.scoring.scorer import Prediction
from review_scorer.telemetry.drift import Recent, stability_index
from review_scorer.telemetry.histogram import Histogram
from review_scorer.telemetry.shared_counters import SharedCounters


class ScoreMetrics:
    """Counts scores and known shares into ``tallies``; as a collector, gives those of all workers.

    ``bundle`` is the digest of the bundle that scores. ``trained`` are the counts, by bin, of ``score`` and
    ``vocabulary_coverage`` that it keeps of its held-out reviews; None where it keeps none: then drift is NaN.
    """

    def __init__(self, tallies: SharedCounters, trained: Mapping[str, Sequence[int]] | None, *, bundle: str) -> None:
        self._tallies = tallies
        self._trained = trained
        self._texts = tallies.reserve("texts")
        self._scores = Histogram(tallies, "score", SCORE_EDGES)
        self._known = Histogram(tallies, "vocabulary_coverage", COVERAGE_EDGES)
        self._recent_scores = Recent(tallies, "recent score", bundle=bundle)
        self._recent_known = Recent(tallies, "recent vocabulary_coverage", bundle=bundle)

    def scored(self, details: Sequence[Prediction]) -> None:
        """Count what was scored."""
        own = self._tallies.own
        own[self._texts] += len(details)
        scores, known = [detail.score for detail in details], [detail.vocabulary_coverage for detail in details]
        score_counts, known_counts = count(scores, SCORE_EDGES), count(known, COVERAGE_EDGES)
        self._scores.observe_counts(own, score_counts, sum(scores))
        self._known.observe_counts(own, known_counts, sum(known))
        self._recent_scores.add(score_counts)
        self._recent_known.add(known_counts)

    def collect(self) -> Iterator[Metric]:
        """Yield counts, histograms and drift."""
        sums = self._tallies.sums
        yield CounterMetricFamily("scorer_texts", "Texts that were scored.", sums[self._texts])
        yield HistogramMetricFamily("scorer_score_stars", "The scores, in stars.", *self._scores.sample(sums))
        meaning = "The share of a text's words that the model knows."
        yield HistogramMetricFamily("scorer_vocabulary_coverage_ratio", meaning, *self._known.sample(sums))
        for name, recent in (("score", self._recent_scores), ("vocabulary_coverage", self._recent_known)):
            meaning = f"Population stability index of the last hour's {name}s against training; NaN while too few."
            index = stability_index(recent.counts, self._trained[name]) if self._trained else math.nan
            yield GaugeMetricFamily(f"scorer_{name}_psi", meaning, index)
