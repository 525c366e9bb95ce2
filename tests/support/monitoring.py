"""Parse the queries of the monitoring overlay and check them against what the service exposes."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support import manifests

TREE = "k8s/overlays/monitoring"
# Labels that Prometheus adds to each sample of a target of the Operator.
TARGET_LABELS = {"namespace", "pod", "job", "service", "endpoint", "instance", "container"}
# Metrics of Prometheus itself and of kube-state-metrics, and their labels.
EXTERNAL_METRICS = {"up": {"job"}, "kube_deployment_status_replicas_ready": {"deployment"}}

_TEXT = {"type": "string", "minLength": 1}
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
_PATH = {"type": "string", "pattern": "^/"}


def _object(required: str, **properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: object) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


def _resource(kind: str, spec: object) -> dict[str, Any]:
    version = {"const": "monitoring.coreos.com/v1"}
    metadata = _object("name labels", name=_TEXT, labels=_LABELS)
    return _object(
        "apiVersion kind metadata spec", apiVersion=version, kind={"const": kind}, metadata=metadata, spec=spec
    )


_RULE = _object(
    "alert expr labels annotations", alert=_TEXT, expr=_TEXT, labels=_LABELS, annotations=_LABELS, **{"for": _DURATION}
)
_ENDPOINT = _object("port path", port=_TEXT, path=_PATH, interval=_DURATION)
SCHEMAS = {
    "PrometheusRule": _resource(
        "PrometheusRule", _object("groups", groups=_list(_object("name rules", name=_TEXT, rules=_list(_RULE))))
    ),
    "ServiceMonitor": _resource(
        "ServiceMonitor",
        _object("selector endpoints", selector=_object("matchLabels", matchLabels=_LABELS), endpoints=_list(_ENDPOINT)),
    ),
}
"""JSON schemas of the two kinds, limited to the fields that the overlay uses."""

_SELECTOR = re.compile(r"\b([a-z_]+:?[a-z_]+)(?:\{([^}]*)\})")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_KEYWORDS = {"sum", "max", "count", "by", "rate", "increase", "histogram_quantile", "absent", "or", "on"}


def rules(documents: list[manifests.Document]) -> list[dict[str, Any]]:
    """Return the alerting rules."""
    (rule,) = manifests.of_kind(documents, "PrometheusRule")
    return [each for group in rule["spec"]["groups"] for each in group["rules"]]


def dashboard(documents: list[manifests.Document]) -> dict[str, Any]:
    """Return the Grafana dashboard."""
    (text,) = manifests.the(documents, "ConfigMap", "review-scorer-dashboard")["data"].values()
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def queries(documents: list[manifests.Document]) -> Iterator[str]:
    """Yield each query of the dashboard with its variables replaced, as Grafana sends it."""
    for panel in dashboard(documents)["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$namespace", ".+")


def exposed(exposition: str) -> dict[str, dict[str, set[str]]]:
    """Return the samples in the text of ``/metrics``: by name, each label with its values."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def metrics_of(query: str) -> set[str]:
    """Return the names of the metrics in a query: all names that are neither PromQL keywords nor labels."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\bby\s*\([^)]*\)', " ", query)
    return set(re.findall(r"\b[a-z_][a-z_:]+\b", bare)) - _KEYWORDS


def check_query(query: str, samples: Mapping[str, Mapping[str, Collection[str]]]) -> None:
    """Raise ``AssertionError`` if a metric, label or label value of ``query`` is not exposed."""
    known = {name: set(labels) | TARGET_LABELS for name, labels in samples.items()} | EXTERNAL_METRICS
    used = metrics_of(query)
    assert used, query
    assert used <= known.keys(), used - known.keys()
    for name, inside in _SELECTOR.findall(query):
        matchers = _MATCHER.findall(inside)
        assert re.sub(r"[\s,]", "", _MATCHER.sub("", inside)) == "", inside
        for label, operator, value in matchers:
            assert label in known[name], f"{name} has no label {label}"
            values = samples.get(name, {}).get(label)
            if values and operator in {"=", "=~"} and label != "status":
                assert any(re.fullmatch(value, each) for each in values), f"no {label} of {name} is {value}"
    for grouped in re.findall(r"\bby\s*\(([^)]*)\)", query):
        for label in grouped.replace(" ", "").split(","):
            assert any(label in known[name] for name in used), f"nothing in {query} has a label {label}"


def promtool_rules(documents: list[manifests.Document]) -> dict[str, Any]:
    """Return rules for promtool: the alerts, and each query of the dashboard as a recording rule."""
    (rule,) = manifests.of_kind(documents, "PrometheusRule")
    panels = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries(documents))]
    return {"groups": [*rule["spec"]["groups"], {"name": "dashboard", "rules": panels}]}
