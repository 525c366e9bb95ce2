"""Where a collector is named, each request becomes a span of the trace that it came with."""

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
from review_scorer.telemetry.tracing import wanted
from tests.support.collector import Collector, attributes, collecting
from tests.support.running import ROOT, free_port, gunicorn, serving

SCORES = "/api/1/scores"
SECRET = "誰にも見せたくない感想"  # noqa: S105
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass(frozen=True)
class Scene:
    """What a collector was sent by a service that was asked, and stopped; and what that wrote."""

    collector: Collector
    lines: list[dict[str, Any]]

    def span(self, name: str) -> Any:
        (span,) = [span for span in self.collector.spans if span.name == name]
        return span


@pytest.fixture(scope="module")
def scene(tiny_bundle: Path) -> Iterator[Scene]:
    with collecting() as collector, pytest.MonkeyPatch.context() as environ:
        environ.setenv(ENDPOINT, collector.url)
        environ.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=us")
        environ.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        with serving(tiny_bundle) as server:
            for path in ("/healthz", "/metrics"):
                server.client.get(path)
            carried = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "me"}
            server.client.post(SCORES, json={"texts": [SECRET, "良い宿"]}, headers=carried)
            server.client.post("/api/1/users", content=b"{")
            server.client.get(f"/{SECRET}", params={"texts": SECRET})
            unsampled = {"traceparent": f"00-{'a' * 32}-{PARENT}-00"}
            server.client.get("/version", headers=unsampled)
            server.process.terminate()
            output = server.process.communicate(timeout=20)[0]
        yield Scene(collector, [json.loads(line) for line in output.splitlines()])


def test_a_request_is_a_span_in_the_trace_of_who_asked(scene: Scene) -> None:
    span = scene.span(f"POST {SCORES}")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == span.SPAN_KIND_SERVER
    said = attributes(span)
    assert said.pop("scorer.tokens") > 2
    assert said == {
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


def test_without_a_trace_of_its_own_a_request_begins_one(scene: Scene) -> None:
    span = scene.span("POST /api/1/users")
    assert span.trace_id.hex() not in {TRACE, "0" * 32}
    assert span.parent_span_id == b""
    assert attributes(span)["http.response.status_code"] == 400


def test_probes_and_what_the_caller_did_not_sample_are_not_sent(scene: Scene) -> None:
    assert {span.name for span in scene.collector.spans} == {f"POST {SCORES}", "POST /api/1/users", "GET"}


def test_nothing_that_is_sent_holds_a_text_or_a_path_of_the_clients_making(scene: Scene) -> None:
    sent = " ".join(map(str, (attributes(span) for span in scene.collector.spans)))
    assert "texts=" not in sent
    assert SECRET not in sent


def test_the_log_line_names_the_trace(scene: Scene) -> None:
    (line,) = [line for line in scene.lines if line.get("id") == "me"]
    assert line["trace_id"] == TRACE


def test_it_goes_where_the_standard_variables_say_and_says_of_whom_it_is(scene: Scene) -> None:
    assert set(scene.collector.paths) == {"/v1/traces"}
    assert {headers["x-tenant"] for headers in scene.collector.headers} == {"us"}
    for resource in scene.collector.resources:
        assert resource["service.name"] == "review-scorer"
        assert resource["deployment.environment.name"] == "test"


def test_a_collector_that_is_not_there_holds_nothing_up(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_without_a_collector_nothing_of_it_is_imported(tiny_bundle: Path, environ: dict[str, str]) -> None:
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


def test_without_the_packages_the_start_says_so(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_what_cannot_be_sent_stops_the_start(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}='{value}': wanted "):
        wanted({ENDPOINT: "http://collector:4318", variable: value})


def test_a_bad_endpoint_ends_the_start_with_one_line(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "collector")
    process = gunicorn(tiny_bundle, PORT=str(free_port()))
    lines = [line for line in process.communicate(timeout=20)[0].splitlines() if not line.startswith("{")]
    assert process.returncode != 0
    assert lines == [f"review-scorer: {ENDPOINT}='collector': wanted an address as http://collector:4318"]


@pytest.mark.parametrize(
    ("environ", "traced"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/v1/traces"}, True),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_turn_it_on_and_off(environ: dict[str, str], *, traced: bool) -> None:
    assert wanted(environ) is traced
