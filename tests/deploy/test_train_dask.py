"""Manifests of training on Dask and of retraining: checks, broken copies, and test runs of their commands."""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import kubernetes_validate
import pytest

from review_scorer.scoring.bundle import load
from tests.support import dask_manifests, manifests
from tests.support.dask_manifests import CHECKS, NAME, TREES, Check, Trees, container, cron, job, pods
from tests.support.manifests import Document, the
from tests.support.running import ROOT, free_port


@pytest.fixture(scope="module")
def real() -> Trees:
    return {name: manifests.render(ROOT / tree) for name, tree in TREES.items()}


def named(check: Check) -> str:
    return check.__name__.removeprefix("check_")


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_the_manifests_agree_with_the_operator_and_the_code(real: Trees, check: Check) -> None:
    check(real)


REMOVED = object()


def put(find: Callable[[Trees], Document], path: str, value: Any) -> Callable[[Trees], None]:
    """Return a change of the field at ``path``."""

    def change(trees: Trees) -> None:
        document: Any = find(trees)
        *way, last = (int(word) if word.isdigit() else word for word in path.split())
        for word in way:
            document = document[word]
        if value is REMOVED:
            del document[last]
        else:
            document[last] = value

    return change


def policy(trees: Trees) -> Document:
    return the(trees["train-dask"], "NetworkPolicy", NAME)


def retrain_policy(trees: Trees) -> Document:
    return the(trees["retrain"], "NetworkPolicy", "review-scorer-retrain")


def role(trees: Trees) -> Document:
    return the(trees["rollout"], "Role", "review-scorer-rollout")


def word(find: Callable[[Trees], Document], path: str, old: str, new: str) -> Callable[[Trees], None]:
    """Return a change of one argument of a command."""

    def change(trees: Trees) -> None:
        document: Any = find(trees)
        for step in path.split():
            document = document[int(step) if step.isdigit() else step]
        document["command"][document["command"].index(old)] = new

    return change


RUNNER = "spec job spec containers 0"
WORKERS = "spec cluster spec worker"
WORKER = f"{WORKERS} spec containers 0"
SCHEDULER = "spec cluster spec scheduler"
CRON = "spec jobTemplate spec"
CRON_CONTAINER = f"{CRON} template spec containers 0"
ADDRESS = f"tcp://{NAME}-scheduler:8786"
AUTOSCALER = {"apiVersion": "kubernetes.dask.org/v1", "kind": "DaskAutoscaler", "metadata": {"name": NAME}}
BROKEN: list[tuple[Check, Callable[[Trees], None]]] = [
    *(
        (dask_manifests.check_the_operator_knows_every_field, change)
        for change in (
            put(job, "spec cluster spec workers", {}),
            put(job, f"{WORKERS} replica", 4),
            put(job, f"{WORKERS} replicas", "4"),
            put(job, f"{WORKER} name", REMOVED),
            put(job, f"{WORKER} securityContext readOnlyRootFileSystem", value=True),
            put(job, "spec job spec containers", REMOVED),
            put(job, f"{SCHEDULER} service ports 0 port", "8786"),
            put(job, f"{SCHEDULER} service", REMOVED),
        )
    ),
    (dask_manifests.check_what_the_operator_makes_is_valid, put(job, "spec job spec activeDeadlineSeconds", "12h")),
    (dask_manifests.check_what_the_operator_makes_is_valid, put(job, f"{WORKER} resource", {})),
    *(
        (dask_manifests.check_everybody_finds_the_scheduler, change)
        for change in (
            put(job, "metadata name", "dask"),
            word(job, RUNNER, f"--scheduler={ADDRESS}", "--scheduler=tcp://dask:8786"),
            word(job, WORKER, ADDRESS, f"tcp://{NAME}-scheduler:8787"),
            word(job, f"{SCHEDULER} spec containers 0", "--port=8786", "--port=8000"),
            put(job, f"{SCHEDULER} service selector dask.org/component", REMOVED),
            put(job, f"{SCHEDULER} service ports 0 name", "comm"),
            put(job, f"{SCHEDULER} spec containers 0 ports 0 containerPort", 8000),
            put(job, f"{SCHEDULER} spec containers 0 readinessProbe httpGet path", "/status"),
        )
    ),
    *(
        (dask_manifests.check_workers_have_one_thread_and_bounded_memory, change)
        for change in (
            word(job, WORKER, "--nthreads=1", "--nthreads=2"),
            word(job, WORKER, "--memory-limit=3500MiB", "--memory-limit=4GiB"),
            word(job, WORKER, "--no-dashboard", "--no-nanny"),
            word(job, WORKER, "--local-directory=/tmp", "--local-directory=/var"),
            put(job, f"{WORKER} resources limits memory", "3Gi"),
            put(job, f"{WORKER} resources limits cpu", "2"),
            put(job, f"{WORKER} env", [{"name": "OMP_NUM_THREADS", "value": "2"}]),
        )
    ),
    *(
        (dask_manifests.check_the_runner_waits_for_all_workers_and_ends, change)
        for change in (
            put(job, f"{WORKERS} replicas", 8),
            put(job, "spec job spec restartPolicy", "OnFailure"),
            put(job, "spec job spec activeDeadlineSeconds", REMOVED),
            word(job, RUNNER, "--patience=900", "--patience=20"),
            lambda trees: trees["train-dask"].append(AUTOSCALER),
        )
    ),
    (
        dask_manifests.check_pods_share_a_volume_that_everything_lies_on,
        put(job, f"{WORKERS} spec volumes 0 persistentVolumeClaim claimName", "x"),
    ),
    (
        dask_manifests.check_pods_share_a_volume_that_everything_lies_on,
        word(job, RUNNER, "--work=/data/work", "--work=/tmp/work"),
    ),
    (
        dask_manifests.check_the_bundle_is_the_served_one,
        word(job, RUNNER, "--bundle=/data/bundle", "--bundle=/data/other"),
    ),
    (
        dask_manifests.check_the_bundle_is_the_served_one,
        word(cron, CRON_CONTAINER, "--bundle=/data/bundle", "--bundle=/tmp/bundle"),
    ),
    (
        dask_manifests.check_the_bundle_is_the_served_one,
        put(cron, f"{CRON} template spec volumes 0", {"name": "data", "emptyDir": {}}),
    ),
    *(
        (dask_manifests.check_nobody_else_reaches_the_cluster, change)
        for change in (
            put(job, "metadata labels app.kubernetes.io/name", "dask"),
            put(policy, "spec ingress", [{}]),
            put(policy, "spec policyTypes", ["Egress"]),
            put(policy, "spec egress", [{}]),
            put(policy, "spec podSelector", {}),
        )
    ),
    (
        dask_manifests.check_workers_are_spread,
        put(job, f"{WORKERS} spec topologySpreadConstraints 0 labelSelector matchLabels", {"a": "b"}),
    ),
    *(
        (dask_manifests.check_what_comes_again_is_one_at_a_time_and_bounded, change)
        for change in (
            put(cron, "spec concurrencyPolicy", "Allow"),
            put(dask_manifests.rollout, "spec concurrencyPolicy", "Allow"),
            put(cron, "spec startingDeadlineSeconds", REMOVED),
            put(cron, "spec failedJobsHistoryLimit", REMOVED),
            put(cron, "spec successfulJobsHistoryLimit", 0),
            put(cron, f"{CRON} activeDeadlineSeconds", REMOVED),
            put(cron, f"{CRON} backoffLimit", 6),
            put(cron, f"{CRON} template spec restartPolicy", "OnFailure"),
        )
    ),
    *(
        (dask_manifests.check_a_rollout_may_change_the_one_deployment_and_nothing_else, change)
        for change in (
            put(role, "rules 0 resourceNames", REMOVED),
            put(role, "rules 0 verbs", ["patch", "delete"]),
            put(dask_manifests.rollout, f"{CRON} template spec serviceAccountName", "default"),
            word(dask_manifests.rollout, CRON_CONTAINER, "--deployment=review-scorer", "--deployment=scorer"),
            put(dask_manifests.rollout, f"{CRON_CONTAINER} volumeMounts 0 readOnly", REMOVED),
        )
    ),
    (dask_manifests.check_a_worse_bundle_is_not_tried_again, put(cron, f"{CRON} podFailurePolicy", REMOVED)),
    (
        dask_manifests.check_a_worse_bundle_is_not_tried_again,
        put(cron, f"{CRON} podFailurePolicy rules 1 onExitCodes values", [2]),
    ),
    (dask_manifests.check_a_worse_bundle_is_not_tried_again, put(cron, f"{CRON_CONTAINER} name", "train")),
    (
        dask_manifests.check_retraining_reads_the_record_that_is_written,
        put(cron, f"{CRON_CONTAINER} env 1 valueFrom secretKeyRef name", "redis"),
    ),
    (dask_manifests.check_retraining_reads_the_record_that_is_written, put(retrain_policy, "spec egress", [])),
    (
        dask_manifests.check_retraining_reads_the_record_that_is_written,
        put(retrain_policy, "spec podSelector matchLabels", {"a": "b"}),
    ),
]


@pytest.mark.parametrize(
    ("check", "change"), BROKEN, ids=[f"{named(check)}-{number}" for number, (check, _) in enumerate(BROKEN)]
)
def test_a_broken_copy_is_refused(real: Trees, check: Check, change: Callable[[Trees], None]) -> None:
    trees = copy.deepcopy(real)
    change(trees)
    with pytest.raises((AssertionError, KeyError, jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        check(trees)


def test_every_check_has_a_broken_copy() -> None:
    assert {check for check, _ in BROKEN} == set(CHECKS)


def application(path: Path) -> Path:
    """Create a tree with exactly the files that the Dockerfile copies into the training images."""
    stage = re.split(r"(?m)^FROM .* AS train-tools$", (ROOT / "Dockerfile").read_text())[1].split("\nFROM ")[0]
    for line in re.findall(r"(?m)^COPY (.*)", stage.replace("\\\n", " ")):
        *sources, target = line.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, path / target)
    return path


def image_environment(application: Path, stage: str) -> dict[str, str]:
    """Return the environment of the image of a stage, plus PATH and certificates of this machine."""
    text = re.split(rf"(?m)^FROM .* AS {stage}$", (ROOT / "Dockerfile").read_text())[1].split("\nFROM ")[0]
    (line,) = re.findall(r"(?m)^ENV (.*)", text)
    found = dict(word.split("=", 1) for word in line.replace("/app", str(application)).split())
    # The image installs the packages in editable mode.
    found["PYTHONPATH"] = f"{application / 'service'}:{application / 'train-corpus'}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # A user without an entry in /etc/passwd has the home directory /, which is not writable.
    return {"PATH": path, "HOME": "/proc"} | found


@contextmanager
def running(command: list[str], application: Path, environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=application, env=environ, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def healthy(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(240)
def test_the_commands_of_the_manifests_train_a_bundle(real: Trees, tiny_corpus: Path, tmp_path: Path) -> None:
    found, code = pods(real), application(tmp_path / "app")
    environ = image_environment(code, "dask-tools")
    data, port, http, scratch = tmp_path / "data", free_port(), free_port(), tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    shutil.copy(tiny_corpus, data / "corpus.csv")
    changes = {
        f"{NAME}-scheduler:8786": f"127.0.0.1:{port}",
        "=8786": f"={port}",
        ":8787": f":{http}",
        "/data/": f"{data}/",
        "=/tmp": f"={scratch}",
        "--workers=4": "--workers=2",
        "--patience=900": "--patience=60",
    }

    def command(part: str, name: str = "") -> list[str]:
        words = [word.replace("$(DASK_WORKER_NAME)", name) for word in container(found[part])["command"]]
        places = re.compile("|".join(map(re.escape, changes)))
        return [places.sub(lambda found: changes[found[0]], word) for word in words]

    with ExitStack() as stack:
        stack.enter_context(running(command("scheduler"), code, environ, tmp_path / "scheduler.log"))
        for name in ("one", "two"):
            stack.enter_context(running(command("worker", name), code, environ, tmp_path / f"{name}.log"))
        runner = subprocess.run(
            [*command("runner"), "--no-seed-corpus"], cwd=code, env=environ, capture_output=True, text=True, check=False
        )
        said = runner.stderr + "".join(log.read_text() for log in tmp_path.glob("*.log"))
        assert runner.returncode == 0, said
        probe = container(found["scheduler"])["readinessProbe"]["httpGet"]["path"]
        assert healthy(f"http://127.0.0.1:{http}{probe}")
    assert load(data / "bundle").manifest["corpus"]["rows"] > 400
    assert list((data / "work").iterdir()) == []


@pytest.mark.parametrize(("find", "said"), [(cron, "retrain.py"), (dask_manifests.rollout, "rollout.py")])
def test_the_retraining_image_supports_the_options_of_the_commands(
    real: Trees, tmp_path: Path, find: Callable[[Trees], Document], said: str
) -> None:
    code = application(tmp_path / "app")
    environ = image_environment(code, "train-tools") | {"SCORER_REDIS_URL": "redis://127.0.0.1:1"}
    command = container(manifests.pod(find(real)))["command"]
    ended = subprocess.run(command, cwd=code, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(f"{said}: no bundle at /data/bundle")


def test_the_image_of_the_cluster_has_dask() -> None:
    stage = re.split(r"(?m)^FROM .* AS dask-tools$", (ROOT / "Dockerfile").read_text())[1].split("\nFROM ")[0]
    assert "-r requirements/distributed.txt" in stage
    assert "USER 10001:10001" in stage
