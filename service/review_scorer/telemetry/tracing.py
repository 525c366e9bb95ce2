"""Traces of requests, sent as OpenTelemetry has it, where the environment names a collector.

The variables are OpenTelemetry's own: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. Where none names an
endpoint, nothing of OpenTelemetry is even imported.
"""

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from review_scorer.settings import SettingsError
from review_scorer.telemetry.middleware import RequestEvents

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether ``environ`` asks for traces; raise ``SettingsError`` if it asks for some that cannot be sent."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    named = [name for name in _ENDPOINTS if environ.get(name)]
    if off or not named:
        return False
    for name in named:
        if not environ[name].startswith(("http://", "https://")):
            raise SettingsError(f"{name}={environ[name]!r}: wanted an address as http://collector:4318")
    for name in _PROTOCOLS:
        if environ.get(name, _PROTOCOL) != _PROTOCOL:
            raise SettingsError(f"{name}={environ[name]!r}: wanted {_PROTOCOL}, which collectors take on port 4318")
    return True


def install(app: falcon.asgi.App[Any, Any], watch: RequestEvents) -> None:
    """Let each exchange that ``watch`` tells of be traced; raise ``SettingsError`` where the packages for it miss."""
    try:
        from review_scorer.telemetry.otel_spans import Spans  # noqa: PLC0415 - 10 MB of memory, for those only who use it
    except ImportError as error:
        raise SettingsError(
            f"{_ENDPOINTS[1]} is set, but {error.name} is not installed; install what requirements/serving.txt names"
        ) from None
    spans = Spans()
    app.add_middleware(spans)
    watch.ended.append(spans.ended)
