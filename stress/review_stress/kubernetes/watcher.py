"""Watcher of a Deployment: a thread that reads its state once per second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.utils.quantity import parse_quantity
from urllib3.exceptions import HTTPError

from review_stress.target import KubernetesError

Notify = Callable[[str], None]

SECONDS = 1.0
# Short, since an unreachable cluster must not delay the load.
TIMEOUT = (2.0, 5.0)


@dataclass(frozen=True)
class Sample:
    """The state of the workload at a time, in seconds since the start of the load."""

    t: float
    desired: int
    ready: int
    target: float | None = None
    current: float | None = None


@dataclass
class History:
    """Observations: samples, events of pods, and the metric and bounds of the autoscaler."""

    samples: list[Sample] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    metric: str = ""
    minimum: int | None = None
    maximum: int | None = None
    error: str = ""


def connect() -> tuple[client.ApiClient, str]:
    """Return a client and the default namespace: of the pod, else of the kubeconfig's context."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
        with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="utf-8") as file:  # noqa: PTH123
            return client.ApiClient(), file.read().strip()
    except (ConfigException, OSError):
        pass
    try:
        config.load_kube_config()  # type: ignore[no-untyped-call]
        context = config.list_kube_config_contexts()[1]  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, KeyError, TypeError) as error:
        raise KubernetesError("no Kubernetes cluster is configured, neither in the pod nor in a kubeconfig") from error
    return client.ApiClient(), context["context"].get("namespace") or "default"


def external_url(api: client.ApiClient, namespace: str, service: str, *, seconds: float, notify: Notify) -> str:
    """Return the URL of a LoadBalancer Service; wait for its external address."""
    core = client.CoreV1Api(api)
    deadline = time.monotonic() + seconds
    notified = False
    while True:
        try:
            found: Any = core.read_namespaced_service(service, namespace, _request_timeout=TIMEOUT)
        except (ApiException, HTTPError) as error:
            raise KubernetesError(f"cannot read the Service {namespace}/{service}: {_reason(error)}") from error
        if found.spec.type != "LoadBalancer":
            raise KubernetesError(f"the Service {namespace}/{service} is a {found.spec.type}, not a LoadBalancer")
        ports = found.spec.ports or []
        for entry in found.status.load_balancer.ingress or []:
            if entry.ip or entry.hostname:
                host = f"[{entry.ip}]" if ":" in (entry.ip or "") else entry.ip or entry.hostname
                chosen = next((port for port in ports if port.name == "http"), ports[0])
                return f"http://{host}:{chosen.port}"
        if time.monotonic() > deadline:
            raise KubernetesError(f"the Service {namespace}/{service} got no external address in {seconds:g} s")
        if not notified:
            notify(f"waiting for the external address of the Service {namespace}/{service}")
            notified = True
        time.sleep(min(SECONDS, seconds))


class Watcher:
    """Watches a Deployment, its pods and its HorizontalPodAutoscaler until it is stopped."""

    def __init__(self, api: client.ApiClient, namespace: str, deployment: str, *, seconds: float = SECONDS) -> None:
        self._apps = client.AppsV1Api(api)
        self._core = client.CoreV1Api(api)
        self._scaling = client.AutoscalingV2Api(api)
        self._namespace = namespace
        self._deployment = deployment
        self._seconds = seconds
        self._pods: dict[str, tuple[bool, int]] | None = None
        self._autoscaled = True
        self._origin = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._history = History()

    def start(self) -> None:
        """Take one sample, then start the thread; raise ``KubernetesError`` if the first sample fails."""
        try:
            self.sample()
        except (ApiException, HTTPError) as error:
            raise KubernetesError(
                f"cannot read the Deployment {self._namespace}/{self._deployment}: {_reason(error)}"
            ) from error
        self._thread.start()

    def begin(self, origin: float) -> None:
        """Set the origin of times on the monotonic clock."""
        self._origin = origin

    def latest(self) -> Sample:
        """Return the newest sample."""
        return self._history.samples[-1]

    def stop(self) -> History:
        """Stop; return the observations, with times in seconds since the origin."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(sum(TIMEOUT))
        seen, origin = self._history, self._origin
        return replace(
            seen,
            samples=[replace(sample, t=round(sample.t - origin, 2)) for sample in seen.samples],
            events=[event | {"t": round(event["t"] - origin, 2)} for event in seen.events],
        )

    def sample(self) -> None:
        """Take one sample."""
        now = time.monotonic()
        deployment: Any = self._apps.read_namespaced_deployment(
            self._deployment, self._namespace, _request_timeout=TIMEOUT
        )
        target, current, desired = self._autoscaler()
        if desired is None:
            desired = deployment.spec.replicas or 0
        ready = deployment.status.ready_replicas or 0
        self._history.samples.append(Sample(now, desired, ready, target, current))
        self._sample_pods(now, deployment.spec.selector.match_labels or {})

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self.sample()
                self._history.error = ""
            except (ApiException, HTTPError) as error:
                self._history.error = _reason(error)

    def _autoscaler(self) -> tuple[float | None, float | None, int | None]:
        """Return the target, the current value and the desired replicas of the workload's autoscaler."""
        if not self._autoscaled:
            return None, None, None
        try:
            found = self._scaling.list_namespaced_horizontal_pod_autoscaler(self._namespace, _request_timeout=TIMEOUT)
        except ApiException as error:
            if error.status not in {403, 404}:
                raise
            self._autoscaled = False
            return None, None, None
        for autoscaler in found.items:
            scaled = autoscaler.spec.scale_target_ref
            if (scaled.kind, scaled.name) == ("Deployment", self._deployment):
                return self._figures(autoscaler)
        return None, None, None

    def _figures(self, autoscaler: Any) -> tuple[float | None, float | None, int | None]:
        self._history.minimum = autoscaler.spec.min_replicas or 1
        self._history.maximum = autoscaler.spec.max_replicas
        metrics = sorted(autoscaler.spec.metrics or [], key=lambda metric: _name(metric) != "cpu")
        desired = (autoscaler.status.desired_replicas if autoscaler.status else None) or None
        if not metrics:
            return None, None, desired
        self._history.metric = name = _name(metrics[0])
        seen = [metric for metric in autoscaler.status.current_metrics or [] if metric and _name(metric) == name]
        return _value(metrics[0], "target"), _value(seen[0], "current") if seen else None, desired

    def _sample_pods(self, now: float, labels: dict[str, str]) -> None:
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        listed: Any = self._core.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=TIMEOUT)
        before, self._pods = self._pods, {}
        for pod in listed.items:
            statuses = pod.status.container_statuses or []
            restarts = sum(status.restart_count for status in statuses)
            ready = any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])
            name: str = pod.metadata.name
            self._pods[name] = (ready, restarts)
            if before is None:
                continue
            was_ready, were = before.get(name, (False, 0))
            if name not in before:
                self._event(now, "started", name)
            if ready and not was_ready:
                self._event(now, "ready", name)
            if was_ready and not ready:
                self._event(now, "unready", name)
            if restarts > were:
                self._event(now, "restarted", name)
        for name in (before or {}).keys() - self._pods.keys():
            self._event(now, "gone", name)

    def _event(self, now: float, kind: str, pod: str) -> None:
        self._history.events.append({"t": now, "event": kind, "pod": pod})


def _detail(metric: Any) -> Any:
    """Return the part of a metric that its type names: Resource, ContainerResource, Pods, Object or External."""
    return next(
        found
        for kind in ("resource", "container_resource", "pods", "object", "external")
        if (found := getattr(metric, kind, None))
    )


def _name(metric: Any) -> str:
    detail = _detail(metric)
    name: str = detail.name if hasattr(detail, "name") else detail.metric.name
    return name


def _value(metric: Any, side: str) -> float | None:
    """Return percent for a utilisation, else the number."""
    found = getattr(_detail(metric), side)
    if found.average_utilization is not None:
        return float(found.average_utilization)
    quantity = found.average_value or found.value
    return None if quantity is None else float(parse_quantity(quantity))  # type: ignore[no-untyped-call]


def _reason(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}"
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]
