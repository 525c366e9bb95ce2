"""Manifests of training with the Dask operator and of retraining, and checks against the operator's schemas and code.

The schemas are those of the package ``dask-kubernetes``; the operator's own functions create the objects of a DaskJob.
Each ``check_…`` takes the rendered trees and raises if the requirement in its name is violated.
"""

import copy
import importlib.metadata
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from review_training.feedback_loop import retrain
from tests.support import manifests
from tests.support.manifests import Document, environment, quantity, the

NAME = "review-scorer-dask"
TREES = {name: f"k8s/{name}" for name in ("train-dask", "retrain", "rollout")} | {
    name: f"k8s/overlays/{name}" for name in ("bundle-volume", "prediction-log")
}
Trees = dict[str, list[Document]]
Check = Callable[[Trees], None]


@cache
def validator(kind: str) -> Any:
    """Return a validator of a kind by the operator's custom resource definition, without unknown fields."""
    files = importlib.metadata.files("dask-kubernetes") or []
    (file,) = [each for each in files if each.match(f"crds/{kind.lower()}.yaml")]
    definition = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    assert definition["spec"]["names"]["kind"] == kind
    (version,) = definition["spec"]["versions"]
    assert (definition["spec"]["group"], version["name"]) == ("kubernetes.dask.org", "v1")
    found: dict[str, Any] = closed(version["schema"]["openAPIV3Schema"])
    metadata: dict[str, Any] = {name: {} for name in ("apiVersion", "kind", "metadata")}
    return jsonschema.Draft202012Validator(found | {"properties": metadata | found["properties"]})


def closed(node: Any) -> Any:
    """Return the schema without additional properties, which the API server drops silently."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {name: closed(value) for name, value in node.items()}
    return inner | ({"additionalProperties": False} if isinstance(node.get("properties"), dict) else {})


def job(trees: Trees) -> Document:
    return the(trees["train-dask"], "DaskJob", NAME)


def cron(trees: Trees) -> Document:
    return the(trees["retrain"], "CronJob", "review-scorer-retrain")


def rollout(trees: Trees) -> Document:
    return the(trees["rollout"], "CronJob", "review-scorer-rollout")


def container(pod: Document) -> Document:
    (only,) = pod["spec"]["containers"]
    found: Document = only
    return found


def options(container: Document) -> dict[str, str]:
    """Return the options of a command line, without dashes."""
    found = [word.removeprefix("--").partition("=") for word in container["command"] if word.startswith("--")]
    return {name: value for name, _, value in found}


def made(trees: Trees) -> dict[str, Document]:
    """Return the objects that the operator creates: scheduler, its Service, a worker and the training pod."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dask_kubernetes.operator.controller import controller  # noqa: PLC0415 - slow import with warnings
    document = copy.deepcopy(job(trees))
    name, labels, parts = document["metadata"]["name"], document["metadata"]["labels"], document["spec"]
    cluster = parts["cluster"]["spec"]
    named = {"annotations": {}, "labels": labels}
    group = {"worker_group_name": f"{name}-default", "uuid": "0123456789"}
    inside = {"cluster_name": name, "namespace": "default"}
    scheduler = cluster["scheduler"]
    return {
        "scheduler": controller.build_scheduler_deployment_spec(name, scheduler["spec"], **named),
        "service": controller.build_scheduler_service_spec(name, scheduler["service"], **named),
        "worker": controller.build_worker_deployment_spec(
            pod_spec=cluster["worker"]["spec"], **inside, **group, **named
        ),
        "runner": controller.build_job_pod_spec(job_name=name, spec=parts["job"]["spec"], **inside, **named),
    }


def pods(trees: Trees) -> dict[str, Document]:
    return {name: manifests.pod(each) for name, each in made(trees).items() if name != "service"}


def check_the_operator_knows_every_field(trees: Trees) -> None:
    validator("DaskJob").validate(job(trees))


def check_what_the_operator_makes_is_valid(trees: Trees) -> None:
    for document in made(trees).values():
        kubernetes_validate.validate(document, "1.34", strict=True)


def check_everybody_finds_the_scheduler(trees: Trees) -> None:
    """By the name and port of the Service, which selects only the scheduler."""
    service, found = made(trees)["service"], pods(trees)
    ports = {port["name"]: port for port in service["spec"]["ports"]}
    comm, http = ports["tcp-comm"], ports["http-dashboard"]  # port names that the operator uses
    address = f"tcp://{service['metadata']['name']}:{comm['port']}"
    assert options(container(found["runner"]))["scheduler"] == address
    assert container(found["worker"])["command"][:3] == ["dask", "worker", address]
    scheduler = container(found["scheduler"])
    listening = {port["name"]: port["containerPort"] for port in scheduler["ports"]}
    assert (comm["targetPort"], http["targetPort"]) == ("tcp-comm", "http-dashboard")
    given = options(scheduler)
    assert given["port"] == str(listening["tcp-comm"])
    assert given["dashboard-address"] == f":{listening['http-dashboard']}"
    selector = service["spec"]["selector"]
    assert [name for name, pod in found.items() if manifests.matches(selector, pod["metadata"]["labels"])] == [
        "scheduler"
    ]
    for probe in ("readinessProbe", "livenessProbe"):
        assert scheduler[probe]["httpGet"] == {"path": "/health", "port": "http-dashboard"}


def check_workers_have_one_thread_and_bounded_memory(trees: Trees) -> None:
    """Dask's limit is below the container's, with room for the nanny; workers spill to a scratch volume."""
    worker = container(pods(trees)["worker"])
    limits, given = worker["resources"]["limits"], options(worker)
    assert (given["nthreads"], environment(worker)["OMP_NUM_THREADS"], limits["cpu"]) == ("1", "1", "1")
    assert given["name"] == "$(DASK_WORKER_NAME)"
    assert "DASK_WORKER_NAME" in environment(worker)
    assert "no-nanny" not in given, "nobody would restart a worker in which boosting failed"
    memory = quantity(given["memory-limit"].removesuffix("B"))
    assert quantity(limits["memory"]) / 2 < memory <= quantity(limits["memory"]) - 256 * 2**20
    assert worker["resources"]["requests"]["memory"] == limits["memory"]
    assert given["local-directory"] in {mount["mountPath"] for mount in worker["volumeMounts"]}


def check_the_runner_waits_for_all_workers_and_ends(trees: Trees) -> None:
    runner = pods(trees)["runner"]
    replicas = job(trees)["spec"]["cluster"]["spec"]["worker"]["replicas"]
    given = options(container(runner))
    assert given["workers"] == str(replicas)
    assert float(given["cluster-timeout"]) >= 300
    assert runner["spec"]["restartPolicy"] == "Never"
    assert runner["spec"]["activeDeadlineSeconds"] > float(given["cluster-timeout"])
    assert "DaskAutoscaler" not in {document["kind"] for document in trees["train-dask"]}


def check_pods_share_a_volume_that_everything_lies_on(trees: Trees) -> None:
    found = pods(trees)
    for name in ("runner", "worker"):
        assert {mount["mountPath"] for mount in container(found[name])["volumeMounts"]} == {"/data", "/tmp"}
        (claim,) = [each["persistentVolumeClaim"] for each in found[name]["spec"]["volumes"] if "emptyDir" not in each]
        assert claim == {"claimName": manifests.NAME}
    given = options(container(found["runner"]))
    assert all(given[name].startswith("/data/") for name in ("corpus", "bundle", "work-dir"))


def check_the_bundle_is_the_served_one(trees: Trees) -> None:
    """Writers and readers use the path of the Deployment's init container, on the same volume."""
    deployment = manifests.pod(the(trees["bundle-volume"], "Deployment"))
    (init,) = deployment["spec"]["initContainers"]
    (claim,) = [each for each in deployment["spec"]["volumes"] if "persistentVolumeClaim" in each]
    for pod in (pods(trees)["runner"], manifests.pod(cron(trees)), manifests.pod(rollout(trees))):
        assert f"{options(container(pod))['bundle']}/." == init["command"][2]
        assert claim in pod["spec"]["volumes"]
        assert claim["name"] in {mount["name"] for mount in container(pod)["volumeMounts"]}


def check_nobody_else_reaches_the_cluster(trees: Trees) -> None:
    """The policy selects all pods of the cluster and allows traffic between them and to DNS."""
    policy = the(trees["train-dask"], "NetworkPolicy", NAME)["spec"]
    selector = policy["podSelector"]["matchLabels"]
    for name, pod in pods(trees).items():
        assert manifests.matches(selector, pod["metadata"]["labels"]), name
    among = [{"podSelector": policy["podSelector"]}]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"from": among}]
    assert len(policy["egress"]) == 2
    inside, names = policy["egress"]
    assert inside == {"to": among}
    assert {port["port"] for port in names["ports"]} == {53}


def check_workers_are_spread(trees: Trees) -> None:
    worker = pods(trees)["worker"]
    (spread,) = worker["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert manifests.matches(spread["labelSelector"]["matchLabels"], worker["metadata"]["labels"])


def check_what_comes_again_is_one_at_a_time_and_bounded(trees: Trees) -> None:
    for document in (cron(trees), rollout(trees)):
        spec = document["spec"]
        inner = spec["jobTemplate"]["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert 60 <= spec["startingDeadlineSeconds"] <= 86_400
        assert 1 <= spec["successfulJobsHistoryLimit"] <= 10
        assert 1 <= spec["failedJobsHistoryLimit"] <= 10
        assert 0 < inner["activeDeadlineSeconds"] < 7 * 86_400
        assert inner["backoffLimit"] <= 2
        assert manifests.pod(document)["spec"]["restartPolicy"] == "Never"


def check_a_rollout_may_change_the_one_deployment_and_nothing_else(trees: Trees) -> None:
    """It mounts the volume read-only, and reaches DNS and the API."""
    name = "review-scorer-rollout"
    deployment = the(trees["bundle-volume"], "Deployment")["metadata"]["name"]
    pod = manifests.pod(rollout(trees))
    assert options(container(pod))["deployment"] == deployment
    assert the(trees["rollout"], "Role", name)["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [deployment], "verbs": ["patch"]}
    ]
    binding = the(trees["rollout"], "RoleBinding", name)
    assert [subject["name"] for subject in binding["subjects"]] == [pod["spec"]["serviceAccountName"]]
    assert [mount.get("readOnly", False) for mount in container(pod)["volumeMounts"]] == [True, False]
    policy = the(trees["rollout"], "NetworkPolicy", name)["spec"]
    assert manifests.matches(policy["podSelector"]["matchLabels"], pod["metadata"]["labels"])
    assert policy["ingress"] == []
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 6443}


def check_a_worse_bundle_is_not_tried_again(trees: Trees) -> None:
    """A lost node does not count as a failure."""
    inner = cron(trees)["spec"]["jobTemplate"]["spec"]
    lost, worse = inner["podFailurePolicy"]["rules"]
    assert (lost["action"], lost["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert worse["action"] == "FailJob"
    codes = worse["onExitCodes"]
    assert (codes["containerName"], codes["operator"]) == (container(inner["template"])["name"], "In")
    assert "1 if the new\nbundle is worse" in (retrain.__doc__ or "")
    assert codes["values"] == [1]


def check_retraining_reads_the_record_that_is_written(trees: Trees) -> None:
    retraining = container(manifests.pod(cron(trees)))
    recording = manifests.server(the(trees["prediction-log"], "Deployment"))
    sources = [
        {each["name"]: each.get("valueFrom") for each in one["env"]}["SCORER_REDIS_URL"]
        for one in (retraining, recording)
    ]
    assert sources[0] == sources[1]
    policies = [
        the(trees["retrain"], "NetworkPolicy", "review-scorer-retrain")["spec"],
        the(trees["prediction-log"], "NetworkPolicy")["spec"],
    ]
    assert policies[0]["egress"] == policies[1]["egress"]
    assert policies[0]["ingress"] == []
    labels = manifests.pod(cron(trees))["metadata"]["labels"]
    assert manifests.matches(policies[0]["podSelector"]["matchLabels"], labels)


CHECKS: list[Check] = [value for name, value in list(globals().items()) if name.startswith("check_")]
