"""Telemetry of the service: metrics for Prometheus, a log line and an OpenTelemetry span for each request."""
