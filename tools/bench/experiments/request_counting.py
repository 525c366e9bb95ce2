"""CPU cost of the metrics of one request with one score, in process."""

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


def counting_cost() -> float:
    """Return the additional CPU µs of a request with metrics."""
    plain, counted = RequestEvents(), RequestEvents()
    admission = Admission(max_wait=1, max_texts=1)
    app = falcon.asgi.App()
    app.add_route(PATH, object())
    metrics.install(app, counted, admission, SharedCounters(), facts={}, trained=None)
    return (_seconds(counted, admission.queue) - _seconds(plain, WorkQueue())) * 1e6


def _seconds(events: RequestEvents, queue: WorkQueue) -> float:
    """Return the CPU seconds of the telemetry of one request."""
    middleware = TelemetryMiddleware(None, events, routes=[PATH])  # type: ignore[arg-type]
    texts, predictions = ["良い宿"], [Prediction(4.2, (3.1, 5.0), 0.9, 2)]
    started = time.process_time()
    for _ in range(_REQUESTS):
        context = middleware.begin({"path": PATH, "headers": ()})
        if queue.observe:
            queue.observe(0.001)
        events.record(texts, predictions, context)
        context.status = 200
        middleware.end(context)
    return (time.process_time() - started) / _REQUESTS
