"""Settings of tracing: requests are traced if the environment names an OpenTelemetry collector.

The variables are OpenTelemetry's own: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. Without an endpoint,
no module of OpenTelemetry is imported.
"""

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from review_scorer.settings import SettingsError
from review_scorer.telemetry.middleware import RequestEvents

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


def is_enabled(environ: Mapping[str, str]) -> bool:
    """Return whether ``environ`` enables tracing; raise ``SettingsError`` for a bad endpoint or protocol."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    endpoints = [name for name in _ENDPOINTS if environ.get(name)]
    if disabled or not endpoints:
        return False
    for name in endpoints:
        if not environ[name].startswith(("http://", "https://")):
            raise SettingsError(f"{name}={environ[name]!r}: must be a URL such as http://collector:4318")
    for name in _PROTOCOLS:
        if environ.get(name, _PROTOCOL) != _PROTOCOL:
            raise SettingsError(f"{name}={environ[name]!r}: must be {_PROTOCOL}, which collectors accept on port 4318")
    return True


def install(app: falcon.asgi.App[Any, Any], events: RequestEvents) -> None:
    """Trace the requests that ``events`` reports; raise ``SettingsError`` if OpenTelemetry is not installed."""
    try:
        from review_scorer.telemetry.otel_spans import RequestSpans  # noqa: PLC0415 - 10 MB of memory, only if enabled
    except ImportError as error:
        raise SettingsError(
            f"{_ENDPOINTS[1]} is set, but {error.name} is not installed; install requirements/serving.txt"
        ) from None
    spans = RequestSpans()
    app.add_middleware(spans)
    events.ended.append(spans.request_finished)
