"""Spans of OpenTelemetry: one of each request, in the trace of who asked."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from review_scorer import __version__
from review_scorer.telemetry.middleware import OTHER, RequestContext

# Asked every few seconds by probes and by Prometheus: they would bury all others.
_UNTRACED = frozenset(("/healthz", "/readyz", "/metrics"))

# At the end a collector that does not answer may not hold up the worker for longer.
_LAST_SECONDS = 2.0

_extract = TraceContextTextMapPropagator().extract


class Spans:
    """Makes a span of each exchange that ended, and sends them by a thread of its own.

    What each is named is said by https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Where they are sent,
    and which, is for OpenTelemetry's own variables to say.
    """

    def __init__(self) -> None:
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Start the thread; called by Falcon when the worker starts, after the fork."""
        named = Resource.create({"service.name": "review-scorer", "service.version": __version__})
        # What the operator says of the service goes above what it says of itself.
        resource = named.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("service", __version__)

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Send what is left, if that can be done in time."""
        if self._provider:
            last = threading.Thread(target=self._provider.shutdown, daemon=True)
            last.start()
            await asyncio.to_thread(last.join, _LAST_SECONDS)

    def ended(self, exchange: RequestContext) -> None:
        """Make the span of one exchange."""
        if self._tracer is None or exchange.route in _UNTRACED:
            return
        end = time.time_ns()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.scope["headers"]}
        method = exchange.scope.get("method", "HTTP")
        span = self._tracer.start_span(
            method if exchange.route == OTHER else f"{method} {exchange.route}",
            context=_extract(headers),
            kind=SpanKind.SERVER,
            attributes=_attributes(exchange, method),
            start_time=end - int(exchange.seconds * 1e9),
        )
        if exchange.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)
        exchange.trace_id = f"{span.get_span_context().trace_id:032x}"


def _attributes(exchange: RequestContext, method: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": exchange.status,
        "url.scheme": exchange.scope.get("scheme", "http"),
        "scorer.request_id": exchange.id,
    }
    if exchange.route != OTHER:
        attributes["http.route"] = exchange.route
    if exchange.key:
        attributes["scorer.key"] = exchange.key
    if exchange.texts:
        attributes |= {
            "scorer.texts": exchange.texts,
            "scorer.characters": exchange.characters,
            "scorer.tokens": exchange.tokens,
        }
    return attributes
