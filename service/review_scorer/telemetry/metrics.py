"""What is counted of each request, and how Prometheus gets to see it.

prometheus_client writes the format. It does not hold the numbers: its multiprocess mode keeps files, which stay behind
every worker that ever was, and costs several times as much a request.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import falcon.asgi
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from review_scorer.capacity.admission import Admission
from review_scorer.errors import STATUS
from review_scorer.prediction_log import recorder, shadow
from review_scorer.telemetry.gunicorn_hooks import IN_FLIGHT, REFUSALS, RELOADS, RESTARTS
from review_scorer.telemetry.histogram import Histogram
from review_scorer.telemetry.middleware import OTHER, RequestContext, RequestEvents, routes_of
from review_scorer.telemetry.score_metrics import ScoreMetrics
from review_scorer.telemetry.shared_counters import SharedCounters

PATH = "/metrics"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STATUSES = (*sorted({200, 204, 206, 301, 302, 304, 307, 308, 499, *STATUS.values()}), OTHER)
_STATUS_COLUMN = {status: column for column, status in enumerate(_STATUSES)}
_OTHER_STATUS = _STATUS_COLUMN[OTHER]

_SHED = "requests_shed"
_COUNTERS = {
    recorder.WRITTEN: "Predictions that were recorded.",
    recorder.DROPPED: "Predictions that the record lacks: there was no room for them while it could not be written.",
    shadow.SCORED: "Predictions that the second bundle scored, too.",
    shadow.DROPPED: "Predictions that the second bundle should have scored and found no time for.",
    _SHED: "Requests that were refused because too many waited.",
    RESTARTS: "Workers that ended without being told to, and were replaced.",
    RELOADS: "Bundles that were taken up while serving.",
    REFUSALS: "Bundles that were refused while serving; the one before was kept.",
}


def install(
    app: falcon.asgi.App[Any, Any],
    watch: RequestEvents,
    admission: Admission,
    tallies: SharedCounters,
    *,
    facts: Mapping[str, Any],
    trained: Mapping[str, Sequence[int]] | None,
) -> None:
    """Let ``app``, which has all its other routes, be counted through ``watch`` and answer ``/metrics``.

    ``facts`` are those of ``/version``; ``trained`` is described at ``ScoreMetrics``.
    """
    requests = RequestMetrics(tallies, routes=[*routes_of(app), PATH], facts=facts, admission=admission)
    scores = ScoreMetrics(tallies, trained, bundle=facts.get("bundle", {}).get("digest", ""))
    watch.started.append(requests.begun)
    watch.ended.append(requests.ended)
    watch.scored.append(scores.scored)
    app.add_route(PATH, Exposition([requests, scores]))


class RequestMetrics:
    """Counts exchanges into ``tallies``; as a collector, gives those of all workers.

    ``routes`` are all there are; ``facts`` are those of ``/version``; ``admission`` tells what it refuses, its
    turns how long they are waited for.
    """

    def __init__(
        self, tallies: SharedCounters, *, routes: Sequence[str], facts: Mapping[str, Any], admission: Admission
    ) -> None:
        self._tallies = tallies
        self._admission = admission
        self._shed_counted = 0
        self._labels = _labels(facts)
        self._counters = {name: tallies.reserve(name) for name in _COUNTERS}
        self._in_flight = tallies.reserve(IN_FLIGHT)
        self._requests = {
            route: tallies.reserve(f"requests {route}", len(_STATUSES)) for route in dict.fromkeys([*routes, OTHER])
        }
        self._seconds = {route: Histogram(tallies, f"seconds {route}", _SECONDS) for route in self._requests}
        self._queue_seconds = Histogram(tallies, "queue_seconds", _SECONDS)
        admission.queue.observe = self.waited

    def begun(self, _exchange: RequestContext) -> None:
        """Count a request in."""
        self._tallies.own[self._in_flight] += 1

    def ended(self, exchange: RequestContext) -> None:
        """Count an answer."""
        own, route = self._tallies.own, exchange.route
        own[self._in_flight] -= 1
        own[self._requests[route] + _STATUS_COLUMN.get(exchange.status, _OTHER_STATUS)] += 1
        self._seconds[route].observe(own, exchange.seconds)
        shed = self._admission.refused
        if shed != self._shed_counted:
            own[self._counters[_SHED]] += shed - self._shed_counted
            self._shed_counted = shed

    def waited(self, seconds: float) -> None:
        """Count how long a request waited for its turn."""
        self._queue_seconds.observe(self._tallies.own, seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield everything, summed over the workers."""
        sums = self._tallies.sums
        yield InfoMetricFamily("scorer", "What answers here.", self._labels)
        requests = CounterMetricFamily("scorer_requests", "Answers, by route and status.", labels=["route", "status"])
        meaning = "From the request's head to the end of its answer."
        seconds = HistogramMetricFamily("scorer_request_duration_seconds", meaning, labels=["route"])
        for route, start in self._requests.items():
            for status, amount in zip(_STATUSES, sums[start : start + len(_STATUSES)].tolist(), strict=True):
                # A series that is there before its first request has a rate from that on.
                if amount or status == 200:
                    requests.add_metric([route, str(status)], amount)
            seconds.add_metric([route], *self._seconds[route].sample(sums))
        yield from (requests, seconds)
        meaning = "How long requests waited for their turn."
        yield HistogramMetricFamily("scorer_queue_wait_seconds", meaning, *self._queue_seconds.sample(sums))
        meaning = "Requests that were begun and not answered yet."
        yield GaugeMetricFamily("scorer_requests_in_flight", meaning, sums[self._in_flight])
        for name, column in self._counters.items():
            yield CounterMetricFamily(f"scorer_{name}", _COUNTERS[name], sums[column])


class Exposition:
    """The metrics of all workers, whichever is asked."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer in the text format of Prometheus, or in OpenMetrics for who asks for it."""
        encode, response.content_type = choose_encoder(request.get_header("Accept") or "")
        response.data = encode(self)

    def collect(self) -> Iterator[Metric]:
        """Yield what all collectors have."""
        for collector in self._collectors:
            yield from collector.collect()


def _labels(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``scorer_info`` says, out of what ``/version`` says."""
    bundle, libraries = facts.get("bundle", {}), facts.get("libraries", {})
    return {
        "version": facts.get("version", ""),
        "bundle": bundle.get("digest", ""),
        "corpus": bundle.get("corpus", {}).get("fingerprint", ""),
        "python": libraries.get("python", ""),
        "lightgbm": libraries.get("lightgbm", ""),
    }
