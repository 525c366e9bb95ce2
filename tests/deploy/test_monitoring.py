"""Alerts and dashboard query metrics that a running service exposes, and alerts fire when they should."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support import manifests, monitoring
from tests.support.running import ROOT, Server

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool not found (Debian's package prometheus)")
Samples = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def documents() -> list[manifests.Document]:
    return manifests.render(ROOT / monitoring.TREE)


@pytest.fixture(scope="module")
def samples(server: Server) -> Samples:
    server.client.post("/api/1/scores", json={"texts": ["良い宿", "悪い宿"]}).raise_for_status()
    return monitoring.exposed(server.client.get("/metrics").text)


def test_every_alert_queries_exposed_metrics(documents: list[manifests.Document], samples: Samples) -> None:
    for rule in monitoring.rules(documents):
        monitoring.check_query(rule["expr"], samples)


def test_every_panel_queries_exposed_metrics(documents: list[manifests.Document], samples: Samples) -> None:
    for query in monitoring.queries(documents):
        monitoring.check_query(query, samples)


def test_every_exposed_metric_is_on_the_dashboard(documents: list[manifests.Document], samples: Samples) -> None:
    shown = set().union(*map(monitoring.metrics_of, monitoring.queries(documents)))
    # The dashboard shows a histogram by its buckets.
    assert {name for name in samples if not name.endswith(("_sum", "_count", "_created"))} <= shown


@pytest.mark.parametrize(
    "query",
    [
        "rate(scorer_request_total[5m])",
        'rate(scorer_requests_total{code="500"}[5m])',
        'rate(scorer_requests_total{route="/api/2/scores"}[5m])',
        'rate(scorer_requests_total{route=~"/api/2/.*"}[5m])',
        "sum by (worker) (scorer_requests_in_flight)",
        "max by (le) (scorer_score_psi)",
        "node_load1",
        "1 > 0",
    ],
)
def test_a_query_for_an_unknown_metric_label_or_value_fails(samples: Samples, query: str) -> None:
    with pytest.raises(AssertionError):
        monitoring.check_query(query, samples)


def test_the_service_monitor_selects_the_service_by_label_and_port(
    documents: list[manifests.Document], server: Server
) -> None:
    monitor = manifests.the(documents, "ServiceMonitor")["spec"]
    service = manifests.the(documents, "Service")
    assert manifests.matches(monitor["selector"]["matchLabels"], service["metadata"]["labels"])
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert server.client.get(endpoint["path"]).headers["content-type"].startswith("text/plain")
    # The Operator sets the label job to the name of the Service; kube-state-metrics counts replicas by Deployment.
    for name in (service["metadata"]["name"], manifests.the(documents, "Deployment")["metadata"]["name"]):
        assert f'"{name}"' in monitoring.rules(documents)[0]["expr"]


def test_panels_do_not_overlap_and_the_dashboard_has_grafanas_label(documents: list[manifests.Document]) -> None:
    assert (
        manifests.the(documents, "ConfigMap", "review-scorer-dashboard")["metadata"]["labels"]["grafana_dashboard"]
        == "1"
    )
    panels = monitoring.dashboard(documents)["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    occupied: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & occupied
        occupied |= cells


@pytest.mark.parametrize("kind", monitoring.SCHEMAS)
def test_resources_match_the_schemas_of_the_operator(documents: list[manifests.Document], kind: str) -> None:
    document = manifests.the(documents, kind)
    jsonschema.validate(document, monitoring.SCHEMAS[kind])
    broken = copy.deepcopy(document)
    broken["spec"]["intervall"] = "1m"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, monitoring.SCHEMAS[kind])


def promtool(directory: Path, rules: dict[str, Any], *command: str) -> subprocess.CompletedProcess[str]:
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(ROOT / "tests" / "deploy" / "alerts.yaml", directory)
    assert PROMTOOL
    return subprocess.run([PROMTOOL, *command], cwd=directory, capture_output=True, text=True, check=False)


@needs_promtool
def test_promtool_parses_every_rule_and_every_query(documents: list[manifests.Document], tmp_path: Path) -> None:
    rules = monitoring.promtool_rules(documents)
    completed = promtool(tmp_path, rules, "check", "rules", "rules.yaml")
    assert completed.returncode == 0, completed.stderr
    assert (
        f"{len(monitoring.rules(documents)) + len(list(monitoring.queries(documents)))} rules found" in completed.stdout
    )
    rules["groups"][-1]["rules"][0]["expr"] += ")"
    assert promtool(tmp_path, rules, "check", "rules", "rules.yaml").returncode != 0


@needs_promtool
def test_every_alert_fires_exactly_when_it_should(documents: list[manifests.Document], tmp_path: Path) -> None:
    tests = yaml.safe_load((ROOT / "tests" / "deploy" / "alerts.yaml").read_text())["tests"]
    names = {rule["alert"] for rule in monitoring.rules(documents)}
    for expected in (False, True):
        cases = [case for test in tests for case in test["alert_rule_test"] if bool(case["exp_alerts"]) is expected]
        assert {case["alertname"] for case in cases} == names
    rules = monitoring.promtool_rules(documents)
    completed = promtool(tmp_path, rules, "test", "rules", "alerts.yaml")
    assert completed.returncode == 0, completed.stdout + completed.stderr


@needs_promtool
def test_a_wrong_threshold_of_any_alert_fails_the_alert_tests(
    documents: list[manifests.Document], tmp_path: Path
) -> None:
    for number in range(len(monitoring.rules(documents))):
        rules = json.loads(json.dumps(monitoring.promtool_rules(documents)))
        rules["groups"][0]["rules"][number]["expr"] = "vector(0) > 1"
        assert promtool(tmp_path, rules, "test", "rules", "alerts.yaml").returncode != 0
