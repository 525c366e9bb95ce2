"""Command lines of the READMEs: each runs in a fresh checkout, or is listed with the reason why it cannot."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.readme import READMES, Shown, in_blocks, in_sentences
from tests.support.running import ROOT, Server, free_port, serving

DOCKER = "requires Docker; covered by tools/container"
CLUSTER = "requires a cluster; covered by tests/deploy/test_manifests.py and tools/k8s"
REGISTRY = "requires a registry with push access"
REDIS = "requires Redis; covered by tests/training/test_feedback_corpus.py"
NOT_HERE: Mapping[str, str] = {
    "make test": "runs this test",
    "make check": "static checks",
    "make baseline-server": "trains for a minute; covered by tests/tools/test_baseline_server.py",
    """make stress URL=localhost:4567 ARGS="--profile breakpoint --objective 'p99<100ms'\"""": (
        "takes minutes; covered by tests/stress/test_stress.py"
    ),
    "make bench": "takes ten minutes; tests/tools/test_bench.py runs a short form of every row",
    "make chaos": "takes twenty minutes; test_overload, test_slow_clients, test_reload and test_faults are short",
    "make fuzz": "takes ten minutes; tests/tools/test_fuzz.py is its short form",
    "make sbom": "tests/project/test_supply.py runs it",
    "make audit": "requires an advisory service; covered by tests/project/test_supply.py",
    "make bench-scaling": "takes an hour; tests/tools/test_scale.py runs a short form of every row",
    "make retrain REDIS=… CORPUS=reviews.csv BUNDLE=build/mine": (
        "requires feedback; covered by tests/training/test_retrain.py"
    ),
    "python -m review_scorer.batch.score --scheduler tcp://… 'gs://bucket/reviews-*.parquet' "
    "--out gs://bucket/scored": ("requires a cluster and an object store; covered by tests/batch/test_dask_score.py"),
    "train.py --scheduler tcp://… --work-dir gs://bucket/work": (
        "requires a cluster and an object store; covered by tests/training/test_dask.py"
    ),
    "make feedback REDIS=redis://localhost:6379/0 OUT=said.csv": REDIS,
    'make feedback REDIS=redis://localhost:6379/0 ARGS="--report --disagreements"': REDIS,
    "make image": DOCKER,
    "make image BUNDLE=build/mine": DOCKER,
    "make run-image": DOCKER,
    "make test-container": DOCKER,
    "docker run": DOCKER,
    "docker compose up --wait": DOCKER,
    "docker buildx build --platform linux/amd64,linux/arm64 -t … --push .": REGISTRY,
    "docker run -d --restart unless-stopped --read-only --tmpfs /tmp --cap-drop ALL -p 80:4567 "
    "asia.gcr.io/my-project/lightgbm-clf:TAG": REGISTRY,
    "make push PROJECT=my-project": REGISTRY,
    "make push PROJECT=…": REGISTRY,
    "make push REGISTRY=asia-northeast1-docker.pkg.dev/my-project/reviews": REGISTRY,
    "make push REGISTRY=docker.io/me": REGISTRY,
    "kind load docker-image lightgbm-clf:latest": CLUSTER,
    "kubectl apply -k k8s/overlays/local": CLUSTER,
    'kubectl kustomize k8s/overlays/gke | sed "s/PROJECT/$PROJECT/; s/TAG/$TAG/" | kubectl apply -f -': CLUSTER,
    "skaffold run -p gke --default-repo=asia.gcr.io/$PROJECT": CLUSTER,
    "skaffold dev": CLUSTER,
    "make test-k8s KUBECONFIG=…": CLUSTER,
}
"""Lines that no test can run, with the reason."""

# Replacements of placeholders, and of values that take too long or depend on the load of the machine.
MEANT = {
    "DIR": "build/mine",
    "PATH": "other.csv",
    "train-corpus/train.py --help": "python train-corpus/train.py --help",
    "--rate 200 --duration 30": "--rate 20 --duration 1",
    "p99<100ms": "p99<30s",
    "errors<0.1%": "errors<99%",
}

ALL = {line.command: line for readme in READMES for line in (*in_blocks(readme), *in_sentences(readme))}
RUN = [line for command, line in ALL.items() if command not in NOT_HERE]
SERVING = [line for line in RUN if line.command.startswith("make run")]
ASKING = [line for line in RUN if line.command.startswith("curl")]
FINISHING = [line for line in RUN if line not in SERVING + ASKING]


def command(line: Shown) -> str:
    return line.command


def test_both_readmes_have_the_same_commands_and_outputs() -> None:
    one, other = (list(in_blocks(readme)) for readme in READMES)
    assert one == other
    assert len(one) > 10


def test_the_excluded_lines_are_in_the_readmes() -> None:
    assert set(NOT_HERE) <= set(ALL)


@pytest.fixture(scope="module")
def checkout(default_bundle: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files, the existing environment, the default bundle and user corpora."""
    root = tmp_path_factory.mktemp("checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "build").mkdir()
    shutil.copytree(default_bundle, root / "build" / "bundle")
    with tiny_corpus.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for name in ("reviews.csv", "other.csv"):
        with (root / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["points", "texts", "product_id"], *rows[1:]])
    environment = root / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        if not part.name.startswith("."):
            (environment / part.name).symlink_to(part)
    for stamp in (".run", ".test"):
        (environment / stamp).touch()
    return root


@pytest.fixture(scope="module")
def mine(checkout: Path, tiny_bundle: Path) -> Path:
    """A user bundle at the path of the READMEs."""
    path = checkout / "build" / "mine"
    shutil.copytree(tiny_bundle, path)
    return path


@pytest.fixture(scope="module")
def running(default_bundle: Path) -> Iterator[Server]:
    with serving(default_bundle) as server:
        yield server


def environ(checkout: Path, **more: str) -> dict[str, str]:
    path = f"{checkout / '.venv' / 'bin'}:{os.environ['PATH']}"
    # make passes its variables on to the programs that it runs, and these tests run make.
    inherited = {name: value for name, value in os.environ.items() if name not in {"ARGS", "MAKEFLAGS", "MAKELEVEL"}}
    return {**inherited, "PATH": path, **more}


@pytest.mark.parametrize("line", ASKING, ids=command)
def test_curl_commands_give_the_shown_output(running: Server, line: Shown) -> None:
    asked = line.command.replace("localhost:4567", "{}:{}".format(*running.address))
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True, timeout=30)
    answer, expected = json.loads(done.stdout), json.loads(line.answer)
    assert answer.keys() == expected.keys()
    for name in expected:
        # Training may round differently on other processors.
        assert answer[name] == pytest.approx(expected[name], abs=1e-3)


@pytest.mark.parametrize("line", SERVING, ids=command)
@pytest.mark.usefixtures("mine")
def test_commands_that_serve_become_ready(checkout: Path, line: Shown) -> None:
    port = str(free_port())
    asked = re.sub(r"PORT=\d+", f"PORT={port}", line.command)
    variables = environ(checkout, PORT=port, SCORER_WORKERS="1", SCORER_DRAIN_SECONDS="0")
    process = subprocess.Popen(["bash", "-c", asked], cwd=checkout, env=variables, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not ready(port):
            assert process.poll() is None, "the process ended"
            assert time.monotonic() < deadline, "not ready in 30 s"
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def ready(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("line", FINISHING, ids=command)
@pytest.mark.usefixtures("mine")
def test_all_other_commands_succeed(checkout: Path, running: Server, line: Shown) -> None:
    asked = line.command.replace("localhost:4567", "{}:{}".format(*running.address))
    for word, meaning in MEANT.items():
        asked = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", meaning, asked)
    variables = environ(checkout, ARGS="--no-seed-corpus") if "make train" in asked else environ(checkout)
    done = subprocess.run(
        ["bash", "-c", asked], cwd=checkout, env=variables, capture_output=True, text=True, check=False, timeout=100
    )
    # The comparison exits with 1 if a bundle is worse.
    fine = done.returncode == 0 or ("make compare" in asked and "B is worse" in done.stdout)
    assert fine, done.stdout[-2_000:] + done.stderr[-2_000:]
