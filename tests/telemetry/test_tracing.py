"""If a collector is configured, each request is a span in the trace of its client."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from review_scorer.settings import SettingsError
from review_scorer.telemetry.tracing import is_enabled
from tests.support.collector import Collector, attributes, collecting
from tests.support.running import ROOT, free_port, gunicorn, serving

SCORES = "/api/1/scores"
SECRET = "誰にも見せたくない感想"  # noqa: S105
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass(frozen=True)
class Traced:
    """The collector and the log lines of a service that handled requests and was stopped."""

    collector: Collector
    lines: list[dict[str, Any]]

    def span(self, name: str) -> Any:
        (span,) = [span for span in self.collector.spans if span.name == name]
        return span


@pytest.fixture(scope="module")
def traced(tiny_bundle: Path) -> Iterator[Traced]:
    with collecting() as collector, pytest.MonkeyPatch.context() as environ:
        environ.setenv(ENDPOINT, collector.url)
        environ.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=us")
        environ.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        with serving(tiny_bundle) as server:
            for path in ("/healthz", "/metrics"):
                server.client.get(path)
            sampled = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "me"}
            server.client.post(SCORES, json={"texts": [SECRET, "良い宿"]}, headers=sampled)
            server.client.post("/api/1/users", content=b"{")
            server.client.get(f"/{SECRET}", params={"texts": SECRET})
            unsampled = {"traceparent": f"00-{'a' * 32}-{PARENT}-00"}
            server.client.get("/version", headers=unsampled)
            server.process.terminate()
            output = server.process.communicate(timeout=20)[0]
        yield Traced(collector, [json.loads(line) for line in output.splitlines()])


def test_a_request_is_a_span_in_the_trace_of_its_client(traced: Traced) -> None:
    span = traced.span(f"POST {SCORES}")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == span.SPAN_KIND_SERVER
    sent = attributes(span)
    assert sent.pop("scorer.tokens") > 2
    assert sent == {
        "http.request.method": "POST",
        "http.route": SCORES,
        "http.response.status_code": 200,
        "url.scheme": "http",
        "scorer.request_id": "me",
        "scorer.texts": 2,
        "scorer.characters": len(SECRET) + 3,
    }
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10e9
    assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 300


def test_a_request_without_a_trace_starts_one(traced: Traced) -> None:
    span = traced.span("POST /api/1/users")
    assert span.trace_id.hex() not in {TRACE, "0" * 32}
    assert span.parent_span_id == b""
    assert attributes(span)["http.response.status_code"] == 400


def test_probes_and_unsampled_requests_are_not_sent(traced: Traced) -> None:
    assert {span.name for span in traced.collector.spans} == {f"POST {SCORES}", "POST /api/1/users", "GET"}


def test_no_span_contains_a_text_or_an_unknown_path(traced: Traced) -> None:
    sent = " ".join(map(str, (attributes(span) for span in traced.collector.spans)))
    assert "texts=" not in sent
    assert SECRET not in sent


def test_the_log_line_has_the_trace_id(traced: Traced) -> None:
    (line,) = [line for line in traced.lines if line.get("id") == "me"]
    assert line["trace_id"] == TRACE


def test_endpoint_headers_and_resource_follow_the_standard_variables(traced: Traced) -> None:
    assert set(traced.collector.paths) == {"/v1/traces"}
    assert {headers["x-tenant"] for headers in traced.collector.headers} == {"us"}
    for resource in traced.collector.resources:
        assert resource["service.name"] == "review-scorer"
        assert resource["deployment.environment.name"] == "test"


def test_an_unreachable_collector_delays_neither_requests_nor_the_stop(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    with serving(tiny_bundle) as server:
        for _ in range(50):
            assert server.client.post(SCORES, json={"texts": "良い"}).status_code == 200
        stopped = time.monotonic()
        server.process.terminate()
        output = server.process.communicate(timeout=20)[0]
    assert time.monotonic() - stopped < 10
    assert server.process.returncode == 0
    assert all(json.loads(line) for line in output.splitlines())


@pytest.mark.parametrize("environ", [{}, {ENDPOINT: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}])
def test_without_a_collector_opentelemetry_is_not_imported(tiny_bundle: Path, environ: dict[str, str]) -> None:
    code = """import sys
from review_scorer.app import get_app
get_app()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"opentelemetry", "requests", "google", "urllib3"}))"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"SCORER_BUNDLE": str(tiny_bundle), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"


def test_missing_packages_stop_the_start(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "review_scorer.telemetry.otel_spans", raising=False)
    monkeypatch.setenv("SCORER_BUNDLE", str(tiny_bundle))
    from review_scorer.app import get_app  # noqa: PLC0415

    with pytest.raises(SystemExit, match=r"ENDPOINT is set, but opentelemetry\.sdk\.trace is not"):
        get_app()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (ENDPOINT, "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ],
)
def test_a_bad_endpoint_or_protocol_is_a_settings_error(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}='{value}': must be "):
        is_enabled({ENDPOINT: "http://collector:4318", variable: value})


def test_a_bad_endpoint_stops_the_start_with_one_line(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "collector")
    process = gunicorn(tiny_bundle, PORT=str(free_port()))
    lines = [line for line in process.communicate(timeout=20)[0].splitlines() if not line.startswith("{")]
    assert process.returncode != 0
    assert lines == [f"review-scorer: {ENDPOINT}='collector': must be a URL such as http://collector:4318"]


@pytest.mark.parametrize(
    ("environ", "enabled"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/v1/traces"}, True),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_enable_and_disable_tracing(environ: dict[str, str], *, enabled: bool) -> None:
    assert is_enabled(environ) is enabled
