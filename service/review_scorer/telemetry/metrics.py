"""Metrics of the requests, and the ``/metrics`` endpoint for Prometheus.

prometheus_client writes the exposition format. It does not hold the numbers: its multiprocess mode keeps a file for
each worker that ever ran, and costs 10 µs a request.
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
from review_scorer.telemetry.gunicorn_hooks import IN_FLIGHT, RELOAD_FAILURES, RELOADS, RESTARTS
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
    recorder.WRITTEN: "Total number of predictions written to the prediction log.",
    recorder.DROPPED: "Total number of predictions that could not be written to the prediction log.",
    shadow.SCORED: "Total number of predictions that the shadow bundle scored too.",
    shadow.SKIPPED: "Total number of predictions sampled for the shadow bundle but not scored by it.",
    _SHED: "Total number of requests rejected because the service was overloaded.",
    RESTARTS: "Total number of workers that exited unexpectedly and were replaced.",
    RELOADS: "Total number of bundle reloads that succeeded.",
    RELOAD_FAILURES: "Total number of bundle reloads that failed; the previous bundle stayed in use.",
}


def install(
    app: falcon.asgi.App[Any, Any],
    events: RequestEvents,
    admission: Admission,
    counters: SharedCounters,
    *,
    facts: Mapping[str, Any],
    trained: Mapping[str, Sequence[int]] | None,
) -> None:
    """Count the requests that ``events`` reports, and add the route ``/metrics`` to ``app``, which has all others.

    ``facts`` is the response of ``/version``; ``trained`` is described at ``ScoreMetrics``.
    """
    requests = RequestMetrics(counters, routes=[*routes_of(app), PATH], facts=facts, admission=admission)
    scores = ScoreMetrics(counters, trained, bundle=facts.get("bundle", {}).get("digest", ""))
    events.started.append(requests.request_started)
    events.ended.append(requests.request_finished)
    events.scored.append(scores.observe)
    app.add_route(PATH, Exposition([requests, scores]))


class RequestMetrics:
    """Counts requests in ``counters``; as a collector, yields the totals of all workers.

    ``routes`` are the route templates of the app; ``facts`` is the response of ``/version``; ``admission`` counts the
    requests it rejects, and its queue reports how long requests wait.
    """

    def __init__(
        self, counters: SharedCounters, *, routes: Sequence[str], facts: Mapping[str, Any], admission: Admission
    ) -> None:
        self._counters = counters
        self._admission = admission
        self._shed_counted = 0
        self._info = _info(facts)
        self._columns = {name: counters.allocate(name) for name in _COUNTERS}
        self._in_flight = counters.allocate(IN_FLIGHT)
        self._requests = {
            route: counters.allocate(f"requests {route}", len(_STATUSES)) for route in dict.fromkeys([*routes, OTHER])
        }
        self._durations = {route: Histogram(counters, f"durations {route}", _SECONDS) for route in self._requests}
        self._queue_waits = Histogram(counters, "queue_waits", _SECONDS)
        admission.queue.observe = self.request_waited

    def request_started(self, _context: RequestContext) -> None:
        """Count a request in flight."""
        self._counters.row[self._in_flight] += 1

    def request_finished(self, context: RequestContext) -> None:
        """Count a response, and the requests rejected since the last one."""
        row, route = self._counters.row, context.route
        row[self._in_flight] -= 1
        row[self._requests[route] + _STATUS_COLUMN.get(context.status, _OTHER_STATUS)] += 1
        self._durations[route].observe(row, context.seconds)
        shed = self._admission.refused
        if shed != self._shed_counted:
            row[self._columns[_SHED]] += shed - self._shed_counted
            self._shed_counted = shed

    def request_waited(self, seconds: float) -> None:
        """Count the time that a request waited in the queue."""
        self._queue_waits.observe(self._counters.row, seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, summed over the workers."""
        totals = self._counters.totals
        yield InfoMetricFamily("scorer", "Version of the service, its bundle and its libraries.", self._info)
        requests = CounterMetricFamily(
            "scorer_requests", "Total number of HTTP requests by route and status code.", labels=["route", "status"]
        )
        durations = HistogramMetricFamily(
            "scorer_request_duration_seconds",
            "Duration of HTTP requests in seconds, from the head of the request to the end of the response.",
            labels=["route"],
        )
        for route, start in self._requests.items():
            for status, amount in zip(_STATUSES, totals[start : start + len(_STATUSES)].tolist(), strict=True):
                # A series that exists before its first request has a rate from that request on.
                if amount or status == 200:
                    requests.add_metric([route, str(status)], amount)
            durations.add_metric([route], *self._durations[route].sample(totals))
        yield from (requests, durations)
        yield HistogramMetricFamily(
            "scorer_queue_wait_seconds",
            "Time in seconds that requests waited in the queue before they were scored.",
            *self._queue_waits.sample(totals),
        )
        yield GaugeMetricFamily(
            "scorer_requests_in_flight", "Number of HTTP requests in progress.", totals[self._in_flight]
        )
        for name, column in self._columns.items():
            yield CounterMetricFamily(f"scorer_{name}", _COUNTERS[name], totals[column])


class Exposition:
    """The resource ``/metrics``: the metrics of all workers, whichever worker responds."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Respond in the Prometheus text format, or in OpenMetrics if the client accepts it."""
        encode, response.content_type = choose_encoder(request.get_header("Accept") or "")
        response.data = encode(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all collectors."""
        for collector in self._collectors:
            yield from collector.collect()


def _info(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of ``scorer_info`` from the response of ``/version``."""
    bundle, libraries = facts.get("bundle", {}), facts.get("libraries", {})
    return {
        "version": facts.get("version", ""),
        "bundle": bundle.get("digest", ""),
        "corpus": bundle.get("corpus", {}).get("fingerprint", ""),
        "python": libraries.get("python", ""),
        "lightgbm": libraries.get("lightgbm", ""),
    }
