"""Manifests rendered by kubectl and validated against schemas and the code; each check must fail for broken copies."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as schemas

from review_scorer.settings import SettingsError
from tests.support import manifests, monitoring
from tests.support.manifests import KSERVE, PARTS, POD_CHECKS, PROJECT_CHECKS, SERVICE_CHECKS, Check, Document, Project
from tests.support.running import ROOT, Server
from tools.k8s import check_cluster

TREES = manifests.kustomizations()
OVERLAYS = [tree for tree in TREES if tree not in PARTS and tree.startswith(("k8s/base", "k8s/overlays/"))]
SERVICES = [tree for tree in OVERLAYS if tree != KSERVE]
LOCAL = "k8s/overlays/local"
# The newest with schemas, the first with preStop sleep enabled by default, and one between them.
VERSIONS = (schemas.latest_version(), "1.34", "1.30")
YAMLLINT = """
extends: default
rules:
  document-start: disable
  line-length: {max: 120}
"""


def memory_of_two_workers(server: Server) -> int:
    """Return the PSS of all processes in bytes after the largest requests, in parallel."""
    body = {"texts": ["この宿は部屋が狭いけれど、朝食がとても美味しかったです。" * 10] * 1_000}

    def post(_index: int) -> int:
        return httpx.post(f"{server.url}/api/1/scores", json=body, timeout=30).status_code

    with ThreadPoolExecutor(2) as pool:  # more would be refused
        assert set(pool.map(post, range(6))) == {200}
    workers = server.workers()
    assert len(workers) == 2
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (server.process.pid, *workers)]
    return 1024 * sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:"))


@pytest.fixture(scope="module")
def real(server: Server) -> Project:
    dockerfile = (ROOT / "Dockerfile").read_text()
    bind = subprocess.run(
        [sys.executable, "-c", "import runpy; print(runpy.run_path('service/gunicorn.conf.py')['bind'])"],
        cwd=ROOT,
        env=os.environ | manifests.image_environment(dockerfile),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with ThreadPoolExecutor(2) as pool:
        trees = dict(zip(TREES, pool.map(lambda tree: manifests.render(ROOT / tree), TREES), strict=True))
    return Project(
        trees=trees,
        tree=LOCAL,
        dockerfile=dockerfile,
        compose=yaml.safe_load((ROOT / "compose.yaml").read_text()),
        skaffold=yaml.safe_load((ROOT / "skaffold.yaml").read_text()),
        bind=bind,
        memory=memory_of_two_workers(server),
        status=lambda path: server.client.get(path).status_code,
    )


def named(check: Check) -> str:
    return check.__name__.removeprefix("check_")


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("check", POD_CHECKS, ids=named)
def test_every_pod_meets_the_requirements(real: Project, check: Check, tree: str) -> None:
    project = real.copy()
    project.tree = tree
    check(project)


@pytest.mark.parametrize("tree", SERVICES)
@pytest.mark.parametrize("check", SERVICE_CHECKS, ids=named)
def test_every_overlay_agrees_with_the_code(real: Project, check: Check, tree: str) -> None:
    project = real.copy()
    project.tree = tree
    check(project)


@pytest.mark.parametrize("check", PROJECT_CHECKS, ids=named)
def test_the_project_is_consistent(real: Project, check: Check) -> None:
    check(real)


def test_the_overlays_are_those_of_the_readme() -> None:
    offered = {"local", "dev", "gke", "ingress", "bundle-volume", "bundle-bucket", "canary", "api-keys", "monitoring"}
    offered |= {"kserve", "prediction-log"}
    assert {f"k8s/overlays/{name}" for name in offered} | {"k8s/base", "k8s/overlays/gke/cluster"} == set(OVERLAYS)


Change = Callable[[Project], None]
REMOVED = object()


def put(document: Any, path: str, value: Any) -> None:
    """Set the value at ``path``, or remove it."""
    *way, last = (int(word) if word.isdigit() else word for word in path.split())
    for word in way:
        document = document[word]
    if value is REMOVED:
        del document[last]
    else:
        document[last] = value


def at(kind: str, path: str, value: Any, *, tree: str = "", name: str = manifests.NAME) -> Change:
    """Return a change of a field of a manifest."""
    return lambda project: put(manifests.the(project.trees[tree or project.tree], kind, name), path, value)


def within(file: str, path: str, value: Any) -> Change:
    """Return a change of a field of compose.yaml or skaffold.yaml."""
    return lambda project: put(getattr(project, file), path, value)


def instead(old: str, new: str) -> Change:
    """Return a change of the Dockerfile."""

    def change(project: Project) -> None:
        assert old in project.dockerfile
        project.dockerfile = project.dockerfile.replace(old, new)

    return change


def without(kind: str) -> Change:
    """Return a removal of the manifests of a kind."""

    def change(project: Project) -> None:
        manifests.of_kind(project.documents, kind)
        project.trees[project.tree] = [document for document in project.documents if document["kind"] != kind]

    return change


POD = "spec template spec"
SERVER = f"{POD} containers 0"
pod = functools.partial(at, "Deployment")


def predictor(path: str, value: Any) -> Change:
    """Return a change of a field of the InferenceService."""
    return at("InferenceService", f"spec predictor {path}", value)


BUNDLE = "k8s/overlays/bundle-volume"
BUCKET = "k8s/overlays/bundle-bucket"
RECORD = "k8s/overlays/prediction-log"
CANARY = "k8s/overlays/canary"
KEYS = "k8s/overlays/api-keys"
INGRESS = "k8s/overlays/ingress"
BROKEN: list[tuple[Check, str, Change]] = [
    *(
        (manifests.check_pods_satisfy_the_restricted_standard, LOCAL, change)
        for change in (
            pod(f"{POD} hostNetwork", value=True),
            pod(f"{POD} securityContext runAsNonRoot", value=False),
            pod(f"{POD} securityContext runAsUser", 1000),
            pod(f"{POD} securityContext seccompProfile", {"type": "Unconfined"}),
            pod(f"{POD} automountServiceAccountToken", value=True),
            pod(f"{POD} volumes 0", {"name": "tmp", "hostPath": {"path": "/tmp"}}),
            pod(f"{SERVER} securityContext allowPrivilegeEscalation", REMOVED),
            pod(f"{SERVER} securityContext readOnlyRootFilesystem", value=False),
            pod(f"{SERVER} securityContext capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}),
            pod(f"{SERVER} securityContext privileged", value=True),
            pod(f"{SERVER} ports 0 hostPort", 4567),
        )
    ),
    (manifests.check_pods_satisfy_the_restricted_standard, BUNDLE, pod(f"{POD} initContainers 0 securityContext", {})),
    (manifests.check_pods_run_as_the_user_of_the_image, LOCAL, pod(f"{POD} securityContext runAsUser", 10002)),
    (manifests.check_pods_run_as_the_user_of_the_image, LOCAL, instead("USER 10001:10001", "USER 10002:10002")),
    (manifests.check_containers_have_requests_within_limits, LOCAL, pod(f"{SERVER} resources limits memory", "64Mi")),
    (
        manifests.check_containers_have_requests_within_limits,
        LOCAL,
        pod(f"{SERVER} resources limits ephemeral-storage", REMOVED),
    ),
    (manifests.check_containers_have_requests_within_limits, LOCAL, pod(f"{SERVER} resources requests cpu", REMOVED)),
    (manifests.check_volumes_are_mounted_bounded_and_there, LOCAL, pod(f"{SERVER} volumeMounts 0 name", "temp")),
    (
        manifests.check_volumes_are_mounted_bounded_and_there,
        LOCAL,
        pod(f"{POD} volumes 0 emptyDir", {"sizeLimit": "1Gi"}),
    ),
    (manifests.check_volumes_are_mounted_bounded_and_there, LOCAL, pod(f"{POD} volumes 0 emptyDir", {})),
    (
        manifests.check_volumes_are_mounted_bounded_and_there,
        "k8s/train",
        at("Job", f"{POD} volumes 0 persistentVolumeClaim claimName", "other", name="review-scorer-train"),
    ),
    *(
        (manifests.check_environment_is_known_to_the_configuration, LOCAL, change)
        for change in (
            pod(f"{SERVER} env", [{"name": "SCORER_WORKER", "value": "2"}]),
            pod(f"{SERVER} env", [{"name": "SCORER_WORKERS", "value": "two"}]),
            pod(f"{POD} enableServiceLinks", REMOVED),
            within("compose", "services scorer environment SCORER_WORKER", "2"),
            instead("SCORER_BUNDLE=", "SCORER_MODEL="),
            instead("SCORER_HOST=0.0.0.0", "SCORER_HOST=127.0.0.1"),
        )
    ),
    (manifests.check_images_are_stages_of_the_dockerfile, LOCAL, pod(f"{SERVER} image", "lightgbm-cfl:latest")),
    (manifests.check_images_are_stages_of_the_dockerfile, LOCAL, pod(f"{SERVER} imagePullPolicy", "Always")),
    (manifests.check_images_are_stages_of_the_dockerfile, "k8s/train", instead("AS train-tools", "AS training")),
    (manifests.check_selectors_match_labels, LOCAL, pod("spec selector matchLabels track", "main")),
    (manifests.check_selectors_match_labels, LOCAL, at("Service", "spec selector", {"app": "review-scorer"})),
    (manifests.check_selectors_match_labels, LOCAL, at("Service", "spec selector", {})),
    (
        manifests.check_selectors_match_labels,
        LOCAL,
        at("PodDisruptionBudget", "spec selector matchLabels", {"app": "review-scorer"}),
    ),
    (manifests.check_selectors_match_labels, LOCAL, at("NetworkPolicy", "spec podSelector", {})),
    (manifests.check_selectors_match_labels, CANARY, pod("spec selector matchLabels track", REMOVED)),
    (manifests.check_selectors_match_labels, CANARY, at("Service", "spec selector track", "stable")),
    (
        manifests.check_selectors_match_labels,
        LOCAL,
        at(
            "Job",
            f"{POD.removesuffix(' spec')} metadata labels",
            {"app.kubernetes.io/name": "review-scorer"},
            tree="k8s/train",
            name="review-scorer-train",
        ),
    ),
    (manifests.check_named_ports_resolve, LOCAL, at("Service", "spec ports 0 targetPort", "web")),
    (manifests.check_named_ports_resolve, LOCAL, at("Service", "spec ports 0 port", 8080)),
    (manifests.check_named_ports_resolve, LOCAL, at("NetworkPolicy", "spec ingress 0 ports 0 port", "web")),
    (manifests.check_named_ports_resolve, LOCAL, pod(f"{SERVER} ports 0 name", "web")),
    (manifests.check_named_ports_resolve, LOCAL, pod(f"{SERVER} livenessProbe httpGet port", "web")),
    (manifests.check_probe_paths_are_routes, LOCAL, pod(f"{SERVER} startupProbe httpGet path", "/health")),
    (manifests.check_probe_paths_are_routes, LOCAL, pod(f"{SERVER} readinessProbe httpGet path", "/healthz")),
    (manifests.check_probe_paths_are_routes, LOCAL, pod(f"{SERVER} livenessProbe httpGet path", "/alive")),
    *(
        (manifests.check_ports_agree, LOCAL, change)
        for change in (
            pod(f"{SERVER} ports 0 containerPort", 4568),
            pod(f"{SERVER} env", [{"name": "SCORER_PORT", "value": "8080"}]),
            within("compose", "services scorer ports 0", "127.0.0.1:4567:8080"),
            within("skaffold", "portForward 0 localPort", 8080),
            instead("EXPOSE 4567", "EXPOSE 8080"),
            instead("SCORER_PORT=4567", "SCORER_PORT=8080"),
            lambda project: setattr(project, "bind", "127.0.0.1:4567"),
        )
    ),
    (manifests.check_ports_agree, "k8s/overlays/dev", pod(f"{SERVER} command 5", "4568")),
    (manifests.check_ports_agree, "k8s/overlays/dev", pod(f"{SERVER} command 6", "4568")),
    (manifests.check_limits_fit_what_the_workers_need, LOCAL, pod(f"{SERVER} resources limits memory", "128Mi")),
    (manifests.check_limits_fit_what_the_workers_need, LOCAL, pod(f"{SERVER} resources requests memory", "16Mi")),
    (manifests.check_limits_fit_what_the_workers_need, LOCAL, pod(f"{SERVER} resources limits cpu", "8")),
    (
        manifests.check_limits_fit_what_the_workers_need,
        LOCAL,
        pod(f"{SERVER} env", [{"name": "SCORER_WORKERS", "value": "16"}]),
    ),
    (
        manifests.check_a_stuck_worker_is_replaced_before_the_pod,
        LOCAL,
        pod(f"{SERVER} livenessProbe failureThreshold", 3),
    ),
    (
        manifests.check_a_stuck_worker_is_replaced_before_the_pod,
        LOCAL,
        pod(f"{SERVER} env", [{"name": "SCORER_WORKER_TIMEOUT", "value": "60"}]),
    ),
    (manifests.check_grace_period_outlasts_the_stop, LOCAL, pod(f"{POD} terminationGracePeriodSeconds", 28)),
    (manifests.check_grace_period_outlasts_the_stop, LOCAL, pod(f"{SERVER} lifecycle preStop sleep seconds", 30)),
    (manifests.check_grace_period_outlasts_the_stop, LOCAL, pod(f"{SERVER} lifecycle", REMOVED)),
    (
        manifests.check_grace_period_outlasts_the_stop,
        LOCAL,
        pod(f"{SERVER} env", [{"name": "SCORER_GRACEFUL_TIMEOUT", "value": "60"}]),
    ),
    (
        manifests.check_grace_period_outlasts_the_stop,
        LOCAL,
        pod(f"{SERVER} env", [{"name": "SCORER_DRAIN_SECONDS", "value": "15"}]),
    ),
    (
        manifests.check_grace_period_outlasts_the_stop,
        LOCAL,
        within("compose", "services scorer stop_grace_period", "9s"),
    ),
    (
        manifests.check_targets_exist,
        CANARY,
        at("HorizontalPodAutoscaler", "spec scaleTargetRef name", "review-scorer-canary"),
    ),
    (manifests.check_targets_exist, LOCAL, pod("metadata name", "scorer")),
    (manifests.check_targets_exist, LOCAL, without("HorizontalPodAutoscaler")),
    (manifests.check_targets_exist, LOCAL, without("ServiceAccount")),
    (manifests.check_targets_exist, LOCAL, at("ServiceAccount", "automountServiceAccountToken", value=True)),
    *(
        (manifests.check_the_autoscaler_owns_the_number, LOCAL, change)
        for change in (
            pod("spec replicas", 3),
            pod(f"{SERVER} resources requests cpu", REMOVED),
            at("HorizontalPodAutoscaler", "spec minReplicas", 1),
            at("HorizontalPodAutoscaler", "spec maxReplicas", 21),
            at("HorizontalPodAutoscaler", "spec metrics", []),
            at("HorizontalPodAutoscaler", "spec behavior scaleDown stabilizationWindowSeconds", 0),
        )
    ),
    (manifests.check_rollouts_and_drains_lose_no_pod, LOCAL, pod("spec strategy rollingUpdate maxUnavailable", 1)),
    (manifests.check_rollouts_and_drains_lose_no_pod, LOCAL, at("PodDisruptionBudget", "spec maxUnavailable", 0)),
    (
        manifests.check_rollouts_and_drains_lose_no_pod,
        LOCAL,
        at("PodDisruptionBudget", "spec unhealthyPodEvictionPolicy", REMOVED),
    ),
    (manifests.check_rollouts_and_drains_lose_no_pod, LOCAL, without("PodDisruptionBudget")),
    (
        manifests.check_pods_are_spread,
        LOCAL,
        pod(f"{POD} topologySpreadConstraints 0 labelSelector matchLabels", {"app": "review-scorer"}),
    ),
    (
        manifests.check_pods_are_spread,
        LOCAL,
        pod(f"{POD} topologySpreadConstraints 0 whenUnsatisfiable", "DoNotSchedule"),
    ),
    (manifests.check_pods_are_spread, "k8s/overlays/gke", pod(f"{POD} topologySpreadConstraints 0", REMOVED)),
    (manifests.check_only_scratch_space_is_writable, LOCAL, pod(f"{SERVER} volumeMounts 0 mountPath", "/app")),
    (
        manifests.check_only_scratch_space_is_writable,
        BUNDLE,
        pod(f"{SERVER} env", [{"name": "SCORER_BUNDLE", "value": "/data/bundle"}]),
    ),
    (manifests.check_only_scratch_space_is_writable, BUNDLE, pod(f"{SERVER} volumeMounts 0 readOnly", REMOVED)),
    (manifests.check_traffic_comes_the_way_it_should, LOCAL, at("Service", "spec type", "NodePort")),
    (manifests.check_traffic_comes_the_way_it_should, LOCAL, at("Service", "spec externalTrafficPolicy", "Local")),
    (
        manifests.check_traffic_comes_the_way_it_should,
        "k8s/overlays/gke",
        at("Service", "spec loadBalancerClass", REMOVED),
    ),
    (manifests.check_traffic_comes_the_way_it_should, INGRESS, at("Service", "spec type", "LoadBalancer")),
    (manifests.check_traffic_comes_the_way_it_should, INGRESS, at("Ingress", "spec tls 0 hosts", ["example.org"])),
    (
        manifests.check_traffic_comes_the_way_it_should,
        INGRESS,
        at("Ingress", "spec rules 0 http paths 0 backend service port name", "web"),
    ),
    (
        manifests.check_traffic_comes_the_way_it_should,
        INGRESS,
        at("Ingress", "spec rules 0 http paths 0 backend service name", "scorer"),
    ),
    (manifests.check_the_canary_gets_its_share, CANARY, pod("spec replicas", 2, name="review-scorer-canary")),
    (manifests.check_the_canary_gets_its_share, CANARY, at("HorizontalPodAutoscaler", "spec minReplicas", 2)),
    (
        manifests.check_the_canary_gets_its_share,
        CANARY,
        pod(f"{SERVER} image", "lightgbm-clf", name="review-scorer-canary"),
    ),
    (manifests.check_the_canary_gets_its_share, CANARY, pod("metadata name", "canary", name="review-scorer-canary")),
    (
        manifests.check_the_trained_bundle_is_the_served_one,
        "k8s/train",
        at("Job", f"{SERVER} command 3", "--bundle=/data/other", name="review-scorer-train"),
    ),
    (manifests.check_the_trained_bundle_is_the_served_one, BUNDLE, pod(f"{POD} initContainers 0 command 3", "/tmp")),
    (manifests.check_the_trained_bundle_is_the_served_one, BUNDLE, pod(f"{SERVER} volumeMounts 0 name", "data")),
    (manifests.check_the_trained_bundle_is_the_served_one, BUCKET, pod(f"{POD} initContainers 0 command 5", "/data")),
    (manifests.check_the_trained_bundle_is_the_served_one, BUCKET, at("NetworkPolicy", "spec egress", [])),
    *(
        (manifests.check_the_record_reaches_redis, RECORD, change)
        for change in (
            pod(f"{SERVER} env 0", {"name": "SCORER_REDIS_URL", "value": "redis://:secret@redis"}),
            pod(f"{SERVER} env 1 valueFrom secretKeyRef name", "other"),
            pod(f"{SERVER} env 0 valueFrom secretKeyRef optional", value=True),
            at("NetworkPolicy", "spec egress 1", REMOVED),
            within("compose", "services scorer environment SCORER_REDIS_URL", "redis://database"),
            within("compose", "services scorer depends_on", {}),
        )
    ),
    *(
        (manifests.check_the_keys_come_from_a_secret_and_can_change, KEYS, change)
        for change in (
            pod(f"{SERVER} env 0 value", "/etc/keys"),
            pod(f"{SERVER} env 0 value", "/keys/others"),
            pod(f"{SERVER} volumeMounts 0 subPath", "keys"),
            pod(f"{SERVER} volumeMounts 0 readOnly", REMOVED),
            pod(f"{POD} volumes 0 secret secretName", "keys"),
            pod(f"{POD} volumes 0 secret defaultMode", 0o400),
            pod(f"{POD} volumes 0", {"name": "keys", "configMap": {"name": "review-scorer-keys"}}),
        )
    ),
    *(
        (manifests.check_the_kserve_predictor_is_the_deployments_pod, KSERVE, change)
        for change in (
            predictor("containers 0 name", "review-scorer"),
            predictor("containers 0 env 0 value", "v1"),
            predictor("containers 0 readinessProbe httpGet path", "/readyz"),
            predictor("containers 0 livenessProbe failureThreshold", 3),
            predictor("containers 0 ports 0 containerPort", 8080),
            predictor("containers 0 resources limits memory", "1Gi"),
            predictor("securityContext runAsUser", 10002),
            predictor("maxReplicas", 10),
            predictor("scaleTarget", REMOVED),
            at("InferenceService", "apiVersion", "serving.kserve.io/v1"),
            at("InferenceService", "metadata labels", {"app": "review-scorer"}),
            at("HorizontalPodAutoscaler", "spec maxReplicas", 15, tree="k8s/base"),
            without("NetworkPolicy"),
            lambda project: setattr(project, "status", lambda _path: 404),
        )
    ),
    *(
        (manifests.check_skaffold_builds_what_it_deploys, LOCAL, change)
        for change in (
            within("skaffold", "build artifacts 0 image", "lightgbm-cfl"),
            within("skaffold", "manifests kustomize paths", ["k8s/overlays/gke"]),
            within("skaffold", "profiles 1 build platforms", ["linux/amd64"]),
            within("skaffold", "profiles 2 build artifacts 0 docker target", "training"),
            within("skaffold", "portForward 0 resourceName", "scorer"),
            within("skaffold", "portForward 0 port", 4567),
            within("skaffold", "build artifacts 0 sync manual 0 dest", "/srv"),
            within("skaffold", "build artifacts 0 sync manual 0 src", "src/**/*.py"),
            pod(f"{SERVER} image", "other/lightgbm-clf"),
        )
    ),
]


@pytest.mark.parametrize(
    ("check", "tree", "change"), BROKEN, ids=[f"{named(check)}-{number}" for number, (check, *_) in enumerate(BROKEN)]
)
def test_a_broken_copy_is_refused(real: Project, check: Check, tree: str, change: Change) -> None:
    project = real.copy()
    project.tree = tree
    check(project)
    change(project)
    with pytest.raises((AssertionError, KeyError, ValueError, SettingsError)):
        check(project)


def test_every_check_is_used_and_has_a_broken_copy() -> None:
    written = {value for name, value in vars(manifests).items() if name.startswith("check_")}
    assert written == {*POD_CHECKS, *SERVICE_CHECKS, *PROJECT_CHECKS} == {check for check, *_ in BROKEN}


def validate_all(documents: list[Document], version: str) -> None:
    for document in documents:
        # Kubernetes has no schemas of the Prometheus Operator's kinds; tests/deploy/test_monitoring.py has them.
        if document["kind"] not in monitoring.SCHEMAS:
            for each in known(document):
                kubernetes_validate.validate(each, version, strict=True)


def known(document: Document) -> list[Document]:
    """Yield the document, or its pods if it is of a custom kind (KServe, Dask)."""
    if document["kind"] not in {"InferenceService", "DaskJob"}:
        return [document]
    return [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in manifests.pods_of(document)]


@pytest.fixture(scope="module")
def schema_cache() -> Iterator[None]:
    """Cache the schemas; otherwise the validator reads megabytes for every document."""
    read = schemas.schema_contents
    schemas.schema_contents = functools.cache(read)
    yield
    schemas.schema_contents = read


@pytest.mark.usefixtures("schema_cache")
@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(real: Project, tree: str, version: str) -> None:
    validate_all(real.trees[tree], version)


@pytest.mark.usefixtures("schema_cache")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "change",
    [
        pod(f"{SERVER} resource", {}),
        pod(f"{POD} terminationGracePeriodSeconds", "35s"),
        at("Service", "spec ports 0 targetport", "http"),
        at("HorizontalPodAutoscaler", "spec maxReplicas", REMOVED),
    ],
)
def test_an_invalid_manifest_is_refused(real: Project, version: str, change: Change) -> None:
    project = real.copy()
    change(project)
    with pytest.raises(kubernetes_validate.ValidationError):
        validate_all(project.documents, version)


def test_an_overlay_that_cannot_be_rendered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    with pytest.raises(AssertionError, match=r"missing\.yaml"):
        manifests.render(tmp_path)
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(AssertionError):
        manifests.render(tmp_path)


def yamllint(*paths: str) -> str:
    command = [sys.executable, "-m", "yamllint", "--strict", "-f", "parsable", "-d", YAMLLINT, *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_yamllint_finds_nothing(tmp_path: Path) -> None:
    untidy = tmp_path / "untidy.yaml"
    untidy.write_text("name: one\nname: two\n")
    assert "duplication of key" in yamllint(str(untidy))
    assert yamllint("k8s", "skaffold.yaml", "compose.yaml") == ""


@pytest.mark.parametrize(
    ("kubeconfig", "message"),
    [("", "KUBECONFIG is not set"), ("missing", "invalid KUBECONFIG"), ("broken", "invalid KUBECONFIG")],
)
def test_the_cluster_check_reports_a_missing_cluster(
    tmp_path: Path,
    kubeconfig: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken").write_text("kind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / kubeconfig) if kubeconfig else "")
    assert check_cluster.main() == 2
    assert message in capsys.readouterr().err
