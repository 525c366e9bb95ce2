"""Tests the manifests on a real cluster: ``make test-k8s KUBECONFIG=… [CLUSTER_IMAGE=registry/lightgbm-clf:tag]``.

It works in a new namespace, which enforces the pod security standard `restricted` and is deleted at the end. Every
overlay must pass the server's strict validation. The local overlay must become ready, score through its Service, lose
no request during a rollout and the deletion of a pod, and have a working autoscaler.

The nodes must have the image ``lightgbm-clf:latest``, or be able to pull ``CLUSTER_IMAGE``.
The exit status is 0 if all checks pass, 1 if one fails, 2 if there is no cluster.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from review_stress.kubernetes.watcher import Watcher
from tests.support import manifests
from tests.support.manifests import NAME, PARTS, Document
from tests.support.running import ROOT

LOCAL = "k8s/overlays/local"
LABEL = f"app.kubernetes.io/name={NAME}"
LOAD = (Path(__file__).parent / "load.py").read_text(encoding="utf-8")
# A rollout of two pods and one more pod takes about 30 seconds if the image is on the nodes.
LOAD_SECONDS = 120


class CheckError(Exception):
    """A check failed, or the cluster cannot be used."""


class Cluster:
    """A namespace of a cluster."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self.api = api
        self._core = client.CoreV1Api(api)
        # The dynamic client accepts any response; the typed one fails where a deletion returns the namespace.
        self._dynamic = dynamic.DynamicClient(api)  # type: ignore[no-untyped-call]

    def apply(self, document: Document, *, dry_run: bool = False) -> None:
        """Apply a manifest on the server; unknown and duplicate fields are errors."""
        options = {"dry_run": "All"} if dry_run else {}
        self._kind(document["apiVersion"], document["kind"]).server_side_apply(
            body=document,
            namespace=self.namespace,
            field_manager="check-cluster",
            force_conflicts=True,
            query_params=[("fieldValidation", "Strict")],
            **options,
        )

    def get(self, api_version: str, kind: str, name: str = NAME) -> Document:
        found: Document = self._kind(api_version, kind).get(name=name, namespace=self.namespace).to_dict()
        return found

    def merge(self, api_version: str, kind: str, change: Document) -> None:
        kind_of = self._kind(api_version, kind)
        kind_of.patch(name=NAME, namespace=self.namespace, body=change, content_type="application/merge-patch+json")

    def delete(self, kind: str, name: str) -> None:
        self._kind("v1", kind).delete(name=name, namespace=self.namespace, body={})

    def pods(self) -> list[Document]:
        """Return the pods of the service that are not terminating."""
        found = self._kind("v1", "Pod").get(namespace=self.namespace, label_selector=LABEL).to_dict()["items"]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def log(self, pod: str) -> str:
        """Return the log of a pod."""
        answer: Any = self._core.read_namespaced_pod_log(pod, self.namespace, _preload_content=False)
        return bytes(answer.data).decode()

    def _kind(self, api_version: str, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=api_version, kind=kind)


def main() -> int:
    try:
        api = connect(os.environ.get("KUBECONFIG", ""))
    except CheckError as error:
        print(f"test-k8s: {error}", file=sys.stderr)
        return 2
    try:
        with namespace(api) as cluster:
            check(cluster, os.environ.get("IMAGE", ""))
    except (CheckError, ApiException, AssertionError) as error:
        print(f"test-k8s: {error}", file=sys.stderr)
        return 1
    print("test-k8s: all checks passed")
    return 0


def connect(kubeconfig: str) -> client.ApiClient:
    """Return a client of the cluster. There is no default cluster, as the checks create and delete objects."""
    if not kubeconfig:
        raise CheckError("KUBECONFIG is not set; run make test-k8s KUBECONFIG=~/.kube/config")
    try:
        # Not a Path: it may be a list of files.
        file = os.path.expanduser(kubeconfig)  # noqa: PTH111
        api: client.ApiClient = config.new_client_from_config(config_file=file)  # type: ignore[no-untyped-call]
        version = client.VersionApi(api).get_code(_request_timeout=10)
    except (ConfigException, YAMLError, OSError) as error:
        raise CheckError(f"invalid KUBECONFIG={kubeconfig}: {error}") from None
    except (HTTPError, ApiException) as error:
        raise CheckError(f"no answer from the cluster of KUBECONFIG={kubeconfig}: {error}") from None
    print(f"Kubernetes {version.git_version}")
    return api


@contextmanager
def namespace(api: client.ApiClient) -> Iterator[Cluster]:
    """Create a namespace that enforces the standard `restricted`; delete it with its contents after the block."""
    cluster = Cluster(api, f"{NAME}-check-{os.getpid()}-{int(time.time())}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    metadata = {"name": cluster.namespace, "labels": labels}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    print(f"namespace {cluster.namespace}")
    try:
        yield cluster
    finally:
        cluster.delete("Namespace", cluster.namespace)
        wait("the namespace to be gone", lambda: is_gone(cluster), seconds=300)


def check(cluster: Cluster, image: str) -> None:
    for tree in [tree for tree in manifests.kustomizations() if tree not in PARTS]:
        for document in manifests.render(ROOT / tree):
            cluster.apply(document, dry_run=True)
        print(f"{tree} is valid")
    for document in with_image(manifests.render(ROOT / LOCAL), image):
        cluster.apply(document)
    started = time.monotonic()
    wait("two pods to be ready", lambda: is_rolled_out(cluster), seconds=300, explain=lambda: states(cluster))
    print(f"ready after {time.monotonic() - started:.0f} s")
    report = load(cluster, "load-short", image, seconds=3)
    print(f"scores through the Service: {report['answers']}")

    watcher = Watcher(cluster.api, cluster.namespace, NAME)
    watcher.start()
    with loading(cluster, "load-long", image, seconds=LOAD_SECONDS) as finished:
        roll_out(cluster)
        wait("the second rollout", lambda: is_rolled_out(cluster), seconds=90, explain=lambda: states(cluster))
        delete_one(cluster)
        wait("the deleted pod's successor", lambda: is_rolled_out(cluster), seconds=60, explain=lambda: states(cluster))
        if finished():
            raise CheckError(f"the load ended before the rollout; increase LOAD_SECONDS ({LOAD_SECONDS})")
    report = outcome(cluster, "load-long")
    seen = watcher.stop()
    if seen.error or not seen.events or min(sample.ready for sample in seen.samples) < 2:
        raise CheckError(f"the stress tool's watcher saw {seen}")
    print(f"the stress tool's watcher took {len(seen.samples)} samples and saw {len(seen.events)} events of pods")
    print(f"{sum(report['answers'].values())} answers during a rollout and a deletion, no failure")

    wait("the autoscaler", lambda: is_scaling(cluster), seconds=120)
    status = cluster.get("autoscaling/v2", "HorizontalPodAutoscaler")["status"]
    conditions = {each["type"]: f"{each['status']} ({each['reason']})" for each in status["conditions"]}
    print(f"autoscaler: {status['currentReplicas']} pods, {conditions}")


def with_image(documents: list[Document], image: str) -> list[Document]:
    """Return the documents with ``image`` instead of the local one, if given."""
    container = manifests.server(manifests.the(documents, "Deployment"))
    container["image"] = image or container["image"]
    return documents


def is_rolled_out(cluster: Cluster) -> bool:
    """Return whether at least two pods are available, all of the newest version."""
    deployment = cluster.get("apps/v1", "Deployment")
    spec, status = deployment["spec"], deployment.get("status", {})
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return bool(seen and spec["replicas"] >= 2 and counts == {spec["replicas"]} == {len(cluster.pods())})


def roll_out(cluster: Cluster) -> None:
    annotations = {"kubectl.kubernetes.io/restartedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    cluster.merge("apps/v1", "Deployment", {"spec": {"template": {"metadata": {"annotations": annotations}}}})


def delete_one(cluster: Cluster) -> None:
    name = cluster.pods()[0]["metadata"]["name"]
    cluster.delete("Pod", name)
    wait("a pod to go", lambda: name not in [pod["metadata"]["name"] for pod in cluster.pods()], seconds=30)


def is_scaling(cluster: Cluster) -> bool:
    status = cluster.get("autoscaling/v2", "HorizontalPodAutoscaler").get("status", {})
    able = {each["type"]: each["status"] for each in status.get("conditions", [])}.get("AbleToScale")
    return able == "True" and status.get("currentReplicas", 0) >= 2


def load(cluster: Cluster, name: str, image: str, *, seconds: float) -> Document:
    """Send load to the Service for ``seconds``; return the report."""
    with loading(cluster, name, image, seconds=seconds):
        pass
    return outcome(cluster, name)


@contextmanager
def loading(cluster: Cluster, name: str, image: str, *, seconds: float) -> Iterator[Callable[[], bool]]:
    """Send load from a pod in the namespace during the block; yields a function that tells whether it has ended."""

    def phase() -> str:
        return str(cluster.get("v1", "Pod", name).get("status", {}).get("phase"))

    cluster.apply(load_pod(name, image, seconds))
    wait(f"{name} to run", lambda: phase() in {"Running", "Succeeded", "Failed"}, seconds=120)
    yield lambda: phase() != "Running"
    wait(f"{name} to end", lambda: phase() in {"Succeeded", "Failed"}, seconds=seconds + 60)


def outcome(cluster: Cluster, name: str) -> Document:
    """Return the report of a load pod; it must have no failures, and the same two scores in all answers."""
    log = cluster.log(name)
    try:
        report: Document = json.loads(log)
        (answer,) = report["answers"]
        good, bad = json.loads(answer)["scores"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckError(f"{name} did not get the same answer to all requests: {error!r}: {log}") from None
    if report["failures"] or not 1 <= bad < good <= 5:
        raise CheckError(f"{name}: {report}")
    return report


def load_pod(name: str, image: str, seconds: float) -> Document:
    """Return the load pod: the scorer's image and restrictions, another command, and a label that nothing selects."""
    template = manifests.pod(manifests.the(with_image(manifests.render(ROOT / LOCAL), image), "Deployment"))
    spec, container = template["spec"], template["spec"]["containers"][0]
    served = {
        key: container[key] for key in ("image", "imagePullPolicy", "securityContext", "resources", "volumeMounts")
    }
    kept = ("securityContext", "automountServiceAccountToken", "enableServiceLinks", "volumes")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "load"}},
        "spec": {
            **{key: spec[key] for key in kept},
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "load",
                    **served,
                    "command": ["python", "-c", LOAD, f"http://{NAME}/api/1/users", str(seconds)],
                }
            ],
        },
    }


def states(cluster: Cluster) -> str:
    """Return the status of each pod."""
    return "; ".join(f"{pod['metadata']['name']}: {json.dumps(pod.get('status', {}))}" for pod in cluster.pods())


def is_gone(cluster: Cluster) -> bool:
    try:
        cluster.get("v1", "Namespace", cluster.namespace)
    except ApiException as error:
        if error.status == 404:
            return True
        raise
    return False


def wait(what: str, condition: Callable[[], bool], *, seconds: float, explain: Callable[[], str] = str) -> None:
    """Wait until ``condition`` returns true; raise ``CheckError`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CheckError(f"timed out after {seconds:.0f} s: {what}. {explain()}")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
