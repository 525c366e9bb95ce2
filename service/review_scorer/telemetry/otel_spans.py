"""OpenTelemetry spans: one server span for each request, in the trace of its client."""

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

# Probes and Prometheus request these every few seconds; their spans would outnumber all others.
_UNTRACED_ROUTES = frozenset(("/healthz", "/readyz", "/metrics"))

# Time to export the last spans; a collector that does not respond must not delay the exit of the worker.
_SHUTDOWN_SECONDS = 2.0

_extract = TraceContextTextMapPropagator().extract


class RequestSpans:
    """Makes a span for each finished request, and exports the spans in a thread.

    Names and attributes follow the semantic conventions for HTTP spans:
    https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Endpoint, headers and sampling come from
    OpenTelemetry's environment variables.
    """

    def __init__(self) -> None:
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Start the thread; Falcon calls this when the worker starts, after the fork."""
        defaults = Resource.create({"service.name": "review-scorer", "service.version": __version__})
        # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME override the defaults.
        resource = defaults.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("review_scorer", __version__)

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Export the remaining spans, within a time limit; Falcon calls this when the worker stops."""
        if self._provider:
            shutdown = threading.Thread(target=self._provider.shutdown, daemon=True)
            shutdown.start()
            await asyncio.to_thread(shutdown.join, _SHUTDOWN_SECONDS)

    def request_finished(self, context: RequestContext) -> None:
        """Make the span of one request, and set its trace id in ``context``."""
        if self._tracer is None or context.route in _UNTRACED_ROUTES:
            return
        end = time.time_ns()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in context.scope["headers"]}
        method = context.scope.get("method", "HTTP")
        span = self._tracer.start_span(
            method if context.route == OTHER else f"{method} {context.route}",
            context=_extract(headers),
            kind=SpanKind.SERVER,
            attributes=_attributes(context, method),
            start_time=end - int(context.seconds * 1e9),
        )
        if context.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)
        context.trace_id = f"{span.get_span_context().trace_id:032x}"


def _attributes(context: RequestContext, method: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": context.status,
        "url.scheme": context.scope.get("scheme", "http"),
        "scorer.request_id": context.id,
    }
    if context.route != OTHER:
        attributes["http.route"] = context.route
    if context.key:
        attributes["scorer.key"] = context.key
    if context.texts:
        attributes |= {
            "scorer.texts": context.texts,
            "scorer.characters": context.characters,
            "scorer.tokens": context.tokens,
        }
    return attributes
