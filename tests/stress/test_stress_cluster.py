"""The Kubernetes watcher, against a loopback API that serves recorded objects."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client

from review_stress.kubernetes.scaling import scale_up_lag, suggest
from review_stress.kubernetes.watcher import Watcher, connect, external_url
from review_stress.target import KubernetesError
from tests.support.stress_servers import Answer, Request, answering, complete, environment, stress

LABELS = {"app.kubernetes.io/name": "review-scorer"}
NAME = "review-scorer"
# Objects of the Kubernetes 1.36 API, without fields that are not read.
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": NAME, "namespace": "default", "uid": "0d1c2b7e-6a55-4f0c-9f6f-2a4f5f0a7d11", "generation": 4},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {
                "containers": [{"name": "scorer", "image": "lightgbm-clf", "resources": {"requests": {"cpu": "500m"}}}]
            },
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
    },
    "status": {
        "observedGeneration": 4,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "reason": "MinimumReplicasAvailable",
                "lastTransitionTime": "2026-11-21T08:00:05Z",
                "lastUpdateTime": "2026-11-21T08:00:05Z",
                "message": "Deployment has minimum availability.",
            }
        ],
    },
}
AUTOSCALER: dict[str, Any] = {
    "metadata": {"name": NAME, "namespace": "default", "resourceVersion": "3071"},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": NAME, "apiVersion": "apps/v1"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Pods",
                "pods": {"metric": {"name": "in_flight"}, "target": {"type": "AverageValue", "averageValue": "1500m"}},
            },
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            },
        ],
    },
    "status": {
        "lastScaleTime": "2026-11-21T08:01:20Z",
        "currentReplicas": 2,
        "desiredReplicas": 2,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 21, "averageValue": "105m"}},
            }
        ],
        "conditions": [
            {
                "type": "AbleToScale",
                "status": "True",
                "lastTransitionTime": "2026-11-21T08:00:15Z",
                "reason": "ReadyForNewScale",
                "message": "recommended size matches current size",
            }
        ],
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": NAME, "namespace": "default"},
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.41.7",
        "selector": LABELS,
        "ports": [
            {"name": "metrics", "port": 9090},
            {"name": "http", "port": 80, "nodePort": 31532, "targetPort": "http"},
        ],
    },
    "status": {"loadBalancer": {}},
}


def pod(name: str, *, ready: bool = True, restarts: int = 0) -> dict[str, Any]:
    state = (
        {"running": {"startedAt": "2026-11-21T08:00:01Z"}} if ready else {"waiting": {"reason": "ContainerCreating"}}
    )
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {**LABELS, "pod-template-hash": "6f9c5"}},
        "spec": {"containers": [{"name": "scorer", "image": "lightgbm-clf"}], "nodeName": "node-1"},
        "status": {
            "phase": "Running" if ready else "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-21T08:00:00Z"},
                {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-11-21T08:00:02Z"},
            ],
            "containerStatuses": [
                {
                    "name": "scorer",
                    "ready": ready,
                    "restartCount": restarts,
                    "image": "lightgbm-clf",
                    "imageID": "sha256:0",
                    "state": state,
                }
            ],
        },
    }


def copied(recorded: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(recorded))
    return made


@dataclass
class Recorded:
    """Objects that the API serves, requests that it got, and error statuses by path."""

    deployment: dict[str, Any] = field(default_factory=lambda: copied(DEPLOYMENT))
    autoscaler: dict[str, Any] = field(default_factory=lambda: copied(AUTOSCALER))
    service: dict[str, Any] = field(default_factory=lambda: copied(SERVICE))
    pods: list[dict[str, Any]] = field(default_factory=lambda: [pod("scorer-a"), pod("scorer-b")])
    refused: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    play: Callable[["Recorded"], None] = lambda _: None

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the object of a path."""
        self.play(self)
        for part, status in self.refused.items():
            if part in path:
                return status, {"kind": "Status", "status": "Failure", "code": status, "message": "refused"}
        space = "namespaces/default"
        plain = path.partition("?")[0]
        listed = {"metadata": {"resourceVersion": "3072"}}
        objects: dict[str, dict[str, Any]] = {
            f"/apis/apps/v1/{space}/deployments/{NAME}": self.deployment,
            f"/apis/autoscaling/v2/{space}/horizontalpodautoscalers": listed | {"items": [self.autoscaler]},
            f"/api/v1/{space}/pods": listed | {"items": self.pods},
            f"/api/v1/{space}/services/{NAME}": self.service,
        }
        if plain not in objects:
            return 404, {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}
        return 200, objects[plain]


@contextmanager
def api(recorded: Recorded, folder: Path) -> Iterator[Path]:
    """Yield the path of a kubeconfig for an API that serves ``recorded``."""

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Any:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self.answer

        def answer(self) -> None:
            recorded.asked.append((self.command, self.path))
            status, found = recorded.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "recorded",
                "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
                "clusters": [{"name": "recorded", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": "nobody", "user": {}}],
            }
        ),
        encoding="utf-8",
    )
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def cluster(recorded: Recorded, tmp_path: Path) -> Iterator[client.ApiClient]:
    with api(recorded, tmp_path) as path:
        made = client.ApiClient(
            client.Configuration(host=json.loads(path.read_text())["clusters"][0]["cluster"]["server"])
        )
        yield made
        made.rest_client.pool_manager.clear()


def test_a_sample_has_the_state_of_the_workload(recorded: Recorded, cluster: client.ApiClient) -> None:
    watcher = Watcher(cluster, "default", NAME)
    recorded.autoscaler["status"]["desiredReplicas"] = 4
    watcher.sample()
    history = watcher.stop()
    (sample,) = history.samples
    assert (sample.desired, sample.ready, sample.target, sample.current) == (4, 2, 70, 21)
    assert (history.metric, history.minimum, history.maximum) == ("cpu", 2, 10)
    assert history.events == []


def test_changes_of_pods_become_events(recorded: Recorded, cluster: client.ApiClient) -> None:
    watcher = Watcher(cluster, "default", NAME)
    watcher.sample()
    recorded.pods = [pod("scorer-a"), pod("scorer-b", ready=False, restarts=1), pod("scorer-c", ready=False)]
    watcher.sample()
    recorded.pods = [pod("scorer-b", restarts=1), pod("scorer-c")]
    watcher.sample()
    events = [(event["event"], event["pod"]) for event in watcher.stop().events]
    assert events == [
        ("unready", "scorer-b"),
        ("restarted", "scorer-b"),
        ("started", "scorer-c"),
        ("ready", "scorer-b"),
        ("ready", "scorer-c"),
        ("gone", "scorer-a"),
    ]


def test_the_watcher_only_reads(recorded: Recorded, cluster: client.ApiClient) -> None:
    watcher = Watcher(cluster, "default", NAME)
    watcher.sample()
    assert {verb for verb, _ in recorded.asked} == {"GET"}
    (pods,) = [urlsplit(path).query for _, path in recorded.asked if "/pods" in path]
    assert parse_qs(pods) == {"labelSelector": ["app.kubernetes.io/name=review-scorer"]}


def test_quantities_are_parsed(recorded: Recorded, cluster: client.ApiClient) -> None:
    del recorded.autoscaler["spec"]["metrics"][1]
    current = {"metric": {"name": "in_flight"}, "current": {"averageValue": "2250m"}}
    recorded.autoscaler["status"]["currentMetrics"] = [{"type": "Pods", "pods": current}]
    watcher = Watcher(cluster, "default", NAME)
    watcher.sample()
    history = watcher.stop()
    assert history.metric == "in_flight"
    assert (history.samples[0].target, history.samples[0].current) == (1.5, 2.25)


@pytest.mark.parametrize("refusal", [403, 404])
def test_without_an_autoscaler_replicas_are_sampled(
    recorded: Recorded, cluster: client.ApiClient, refusal: int
) -> None:
    recorded.refused = {"horizontalpodautoscalers": refusal}
    watcher = Watcher(cluster, "default", NAME)
    watcher.sample()
    watcher.sample()
    sample = watcher.stop().samples[-1]
    assert (sample.desired, sample.ready, sample.target, sample.current) == (2, 2, None, None)


def test_a_failing_api_is_retried(recorded: Recorded, cluster: client.ApiClient) -> None:
    watcher = Watcher(cluster, "default", NAME, seconds=0.05)
    watcher.start()
    recorded.refused = {"deployments": 500}
    time.sleep(0.5)
    recorded.refused = {}
    seen = len(watcher.stop().samples)
    assert seen >= 1
    recorded.refused = {"deployments": 500}
    with pytest.raises(KubernetesError, match="cannot read the Deployment default/review-scorer: 500"):
        Watcher(cluster, "default", NAME).start()


def test_a_missing_deployment_is_an_error(cluster: client.ApiClient) -> None:
    with pytest.raises(KubernetesError, match="cannot read the Deployment default/other: 404"):
        Watcher(cluster, "default", "other").start()


def test_the_external_address_is_waited_for(recorded: Recorded, cluster: client.ApiClient) -> None:
    def play(recorded: Recorded) -> None:
        if len(recorded.asked) > 2:
            recorded.service["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7", "ipMode": "VIP"}]}}

    recorded.play = play
    said: list[str] = []
    assert external_url(cluster, "default", NAME, seconds=10, notify=said.append) == "http://203.0.113.7:80"
    assert said == ["waiting for the external address of the Service default/review-scorer"]


@pytest.mark.parametrize(
    ("ingress", "url"),
    [({"hostname": "lb.example.org"}, "http://lb.example.org:80"), ({"ip": "fd00::7"}, "http://[fd00::7]:80")],
)
def test_an_external_address_may_be_a_hostname_or_ipv6(
    recorded: Recorded, cluster: client.ApiClient, ingress: dict[str, str], url: str
) -> None:
    recorded.service["status"] = {"loadBalancer": {"ingress": [ingress]}}
    assert external_url(cluster, "default", NAME, seconds=1, notify=print) == url


def test_a_service_without_an_external_address_is_an_error(recorded: Recorded, cluster: client.ApiClient) -> None:
    with pytest.raises(KubernetesError, match=r"got no external address in 0\.2 s"):
        external_url(cluster, "default", NAME, seconds=0.2, notify=lambda _: None)
    recorded.service["spec"]["type"] = "ClusterIP"
    with pytest.raises(KubernetesError, match="is a ClusterIP, not a LoadBalancer"):
        external_url(cluster, "default", NAME, seconds=0.2, notify=print)


def test_without_a_kubeconfig_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/nonexistent")
    with pytest.raises(KubernetesError, match="no Kubernetes cluster is configured"):
        connect()


def row(t: float, p99: float, *, rate: float = 100, ready: int = 2, cpu: float = 50) -> dict[str, Any]:
    return {
        "t": t,
        "offered": 100,
        "sent": 100,
        "abandoned": 0,
        "unsent": 0,
        "outcomes": {"ok": 100},
        "rate": rate,
        "latency_ms": {"p99": p99},
        "replicas": {"desired": ready, "ready": ready},
        "hpa": {"target": 70.0, "current": cpu},
    }


def test_scale_up_lag_counts_from_the_step_to_the_first_new_pod_and_to_recovery() -> None:
    latencies = [10, 10, 10, 800, 900, 900, 20, 700, 20, 20, 20, 20]
    rows = [row(t, p99) for t, p99 in enumerate(latencies)]
    events = [
        {"t": 1.0, "event": "ready", "pod": "old"},
        {"t": 4.2, "event": "started", "pod": "new"},
        {"t": 6.4, "event": "ready", "pod": "new"},
        {"t": 9.0, "event": "started", "pod": "newer"},
        {"t": 9.5, "event": "ready", "pod": "newer"},
    ]
    # A single good window is not a recovery.
    assert scale_up_lag(rows, events, step=2.0, percentile="p99", bound=100) == {
        "step": 2.0,
        "degraded": 1.0,
        "first_ready": 4.4,
        "recovered": 6.0,
    }
    assert scale_up_lag(rows[:2], [], step=0.0, percentile="p99", bound=100) == {
        "step": 0.0,
        "degraded": None,
        "first_ready": None,
        "recovered": None,
    }


def test_suggestions_are_based_on_good_windows() -> None:
    rows = [row(0, 10, rate=200, cpu=60), row(1, 10, rate=300, cpu=85), row(2, 900, rate=500, cpu=100)]
    found = suggest(rows, percentile="p99", bound=100, peak=600, scale_up=12, cpu=True)
    assert found["per_pod_rate"] == 150
    assert found["min_replicas"] == 4
    assert found["cpu_target"] == 65
    slow = suggest(rows, percentile="p99", bound=100, peak=600, scale_up=90, cpu=True)
    assert slow["cpu_target"] == 55
    assert suggest(rows, percentile="p99", bound=100, peak=600, scale_up=12, cpu=False)["cpu_target"] is None
    assert suggest(rows[2:], percentile="p99", bound=100, peak=600, scale_up=None, cpu=True)["min_replicas"] is None


def test_a_run_finds_the_service_and_reports_the_scaling(tmp_path: Path) -> None:
    began = 0.0

    def since() -> float:
        return time.monotonic() - began if began else 0.0

    async def behave(request: Request) -> Answer:
        nonlocal began
        if request.number == 1:
            began = time.monotonic()
        # Slow until the new pods are there.
        await asyncio.sleep(0.4 if 0.5 < since() < 3 else 0.01)
        return Answer()

    def play(recorded: Recorded) -> None:
        if len(recorded.asked) > 1:
            recorded.service["status"] = {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}
        status = recorded.autoscaler["status"]
        if since() > 1:
            status["currentMetrics"][0]["resource"]["current"]["averageUtilization"] = 180
            status["desiredReplicas"] = 3
            recorded.pods[2:] = [pod("scorer-c", ready=since() > 3)]
        if since() > 3:
            recorded.deployment["status"]["readyReplicas"] = 3
            status["currentMetrics"][0]["resource"]["current"]["averageUtilization"] = 60

    with answering(behave) as server:
        recorded = Recorded(play=play)
        recorded.service["spec"]["ports"][1]["port"] = server.port
        with api(recorded, tmp_path) as path:
            arguments = ("--rate", 60, "--duration", "7s", "--objective", "p99<200ms", "--objective", "p90<5s")
            done = stress(tmp_path, *arguments, kubernetes=True, KUBECONFIG=str(path))
    complete(done.report)
    assert "waiting for the external address of the Service default/review-scorer" in done.output
    assert f"answers at {server.url}" in done.output
    timeline = done.report["timeline"]
    assert timeline[0]["replicas"] == {"desired": 2, "ready": 2}
    assert timeline[0]["hpa"] == {"target": 70, "current": 21}
    assert timeline[-1]["replicas"] == {"desired": 3, "ready": 3}
    assert max(row["hpa"]["current"] for row in timeline) == 180
    seen = done.report["kubernetes"]
    assert [(event["event"], event["pod"]) for event in seen["events"]] == [
        ("started", "scorer-c"),
        ("ready", "scorer-c"),
    ]
    lags = seen["scale_up"]
    assert lags["degraded"] <= 2
    assert 2.5 < lags["first_ready"] < 5.5
    assert 2 <= lags["recovered"] <= 5
    assert seen["suggestion"]["min_replicas"] >= 1
    assert 30 <= seen["suggestion"]["cpu_target"] <= 80
    assert re.search(r"first new pod ready \d s", done.output)
    assert {verb for verb, _ in recorded.asked} == {"GET"}


def test_without_a_cluster_the_run_continues_with_a_note(tmp_path: Path) -> None:
    async def well(_: Request) -> Answer:
        return Answer()

    with answering(well) as server:
        environ = environment(HOME=str(tmp_path))
        done = stress(tmp_path, server.url, "--rate", 20, "--duration", "500ms", kubernetes=True, HOME=environ["HOME"])
    assert done.status == 0
    assert done.report["kubernetes"] is None
    assert done.report["outcomes"]["ok"] > 0
    assert "Kubernetes is not watched: no Kubernetes cluster is configured" in done.output


def test_without_a_cluster_the_target_is_required(tmp_path: Path) -> None:
    done = stress(tmp_path, "--rate", 20, kubernetes=True, HOME=str(tmp_path))
    assert done.status == 2
    (line,) = done.errors.splitlines()
    assert line.startswith("stress-testing.py: TARGET is missing, and no Kubernetes cluster is configured")
