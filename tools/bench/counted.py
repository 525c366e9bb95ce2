"""What counting a request costs, in process: from its beginning to its end, with one score in it."""

import time

import falcon.asgi

from review_scorer.capacity.admission import Admission
from review_scorer.capacity.queue import WorkQueue
from review_scorer.scoring.scorer import Prediction
from review_scorer.telemetry import metrics
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware
from review_scorer.telemetry.shared_counters import SharedCounters

PATH = "/api/1/scores"
_REQUESTS = 20_000


def counting() -> float:
    """Return the µs of CPU that a request takes more when it is counted."""
    plain, counted = RequestEvents(), RequestEvents()
    admission = Admission(max_wait=1, max_texts=1)
    app = falcon.asgi.App()
    app.add_route(PATH, object())
    metrics.install(app, counted, admission, SharedCounters(), facts={}, trained=None)
    return (_seconds(counted, admission.queue) - _seconds(plain, WorkQueue())) * 1e6


def _seconds(watch: RequestEvents, turns: WorkQueue) -> float:
    """Return the CPU seconds of one request, all that is not counting left out."""
    observed = TelemetryMiddleware(None, watch, routes=[PATH])  # type: ignore[arg-type]
    texts, details = ["良い宿"], [Prediction(4.2, (3.1, 5.0), 0.9, 2)]
    began = time.process_time()
    for _ in range(_REQUESTS):
        exchange = observed.begin({"path": PATH, "headers": ()})
        if turns.observe:
            turns.observe(0.001)
        watch.record(texts, details, exchange)
        exchange.status = 200
        observed.end(exchange)
    return (time.process_time() - began) / _REQUESTS
