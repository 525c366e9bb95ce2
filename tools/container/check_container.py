"""Tests of the built image: read-only, unprivileged, with limited memory, stopped under load."""

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.container.engine import PYTHON, REDIS, ROOT, Engine, base, engine
from tools.container.image import IMAGE, Built, build

GOOD, BAD = "すごい！最高に興奮した！楽しい", "この映画は全くだめ、楽しくない。駄作"
MIB = 1024 * 1024
# The restrictions of the Deployment.
HARDENED = [
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--memory",
    "512m",
]


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    with engine() as running:
        yield running


@pytest.fixture(scope="session")
def built(docker: Engine) -> Iterator[Built]:
    base_image = base(docker, PYTHON)
    cold = build(docker, base_image)
    warm = build(docker, base_image)
    # A change of the service's code: a new file in the build context that nothing imports.
    changed = ROOT / "service" / "review_scorer" / "server" / "changed_by_a_test.py"
    changed.write_text(f'"""Written by a test at {time.time()}."""\n')
    try:
        code_only = build(docker, base_image, tag="lightgbm-clf:code-only")
    finally:
        changed.unlink()
    yield Built(IMAGE, base_image, {"cold": cold, "warm": warm, "code-only change": code_only})
    docker.run("image", "rm", "-f", IMAGE, "lightgbm-clf:code-only", check=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, path: str, body: object = None, timeout: float = 5) -> tuple[int, Any]:
    """Return the status and the JSON of a response."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_ready(port: int, seconds: float = 60) -> float:
    """Wait until the service is ready; return the seconds it took."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            if ask(port, "/readyz")[0] == 200:
                return time.monotonic() - started
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not ready after {seconds} s")


@contextmanager
def container(docker: Engine, image: str, *options: str) -> Iterator[tuple[str, int]]:
    """Yield a running container and its loopback port; remove it afterwards."""
    port = free_port()
    name = docker.run("run", "-d", *HARDENED, "-p", f"127.0.0.1:{port}:4567", *options, image).stdout.strip()
    try:
        yield name, port
    finally:
        docker.run("rm", "-f", name, check=False)


def test_the_image_is_small_and_starts_quickly(
    docker: Engine, built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    size, base_size = (int(str(docker.inspect(name)["Size"])) for name in (built.name, built.base))
    started = time.monotonic()
    with container(docker, built.name) as (_, port):
        wait_ready(port)
        assert ask(port, "/api/1/users", {"texts": GOOD})[1]["score"] > 4.0
        seconds = time.monotonic() - started
        assert ask(port, "/api/1/users", {"texts": BAD})[1]["score"] < 2.5
    with capsys.disabled():
        took = ", ".join(f"{what} {value:.1f} s" for what, value in built.seconds.items())
        layers = len(docker.inspect(built.name)["RootFS"]["Layers"])  # type: ignore[index]
        print(f"\nimage {size / 1e6:.0f} MB ({layers} layers), of it base {base_size / 1e6:.0f} MB")
        print(f"builds: {took}; first answer {seconds:.1f} s after docker run")
    assert size - base_size <= 260e6
    assert built.seconds["code-only change"] < built.seconds["cold"] / 2


def test_it_runs_unprivileged_and_has_no_unneeded_files(docker: Engine, built: Built) -> None:
    with container(docker, built.name) as (name, port):
        wait_ready(port)
        inside = docker.run(
            "exec", name, "sh", "-c", "id -u; id -g; grep CapEff /proc/1/status; touch /app/x 2>&1; true"
        )
        uid, gid, capabilities, refused = inside.stdout.splitlines()
        assert (uid, gid) == ("10001", "10001")
        assert int(capabilities.split()[1], 16) == 0
        assert "Read-only" in refused
        look = "which gcc cc make git curl; ls -d tests train-corpus stress /root/.cache /opt/venv/bin/pip"
        left = docker.run("exec", name, "sh", "-c", f"({look}) 2>/dev/null; true")
        assert left.stdout == ""
        packages = docker.run("exec", name, "ls", "/opt/venv/lib/python3.11/site-packages").stdout.split()
        assert not {"scipy", "sklearn", "pyarrow", "pytest", "tqdm"} & set(packages)
        notices = docker.run("exec", name, "cat", "/opt/venv/THIRD_PARTY_NOTICES").stdout
        assert "Nara Institute of Science and Technology" in notices  # IPADIC's
        for package in ("lightgbm", "mecab-python3", "falcon", "gunicorn", "numpy"):
            assert f"\n{package} " in notices


def test_it_has_metadata_and_a_health_check(docker: Engine, built: Built) -> None:
    config: Any = docker.inspect(built.name)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["gunicorn", "-c", "service/gunicorn.conf.py"]
    assert list(config["ExposedPorts"]) == ["4567/tcp"]
    assert config["Labels"]["org.opencontainers.image.title"] == "lightgbm-clf"
    assert not any("://" in value for value in config["Env"])
    with container(docker, built.name, "--health-interval", "1s") as (name, port):
        wait_ready(port)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            state: Any = docker.inspect(name)["State"]
            if state["Health"]["Status"] == "healthy":
                return
            time.sleep(0.3)
        raise AssertionError(state)


class Client(threading.Thread):
    """Sends requests until ``unready`` is set, as a Service does with a pod that is not ready."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.answered = 0
        self.failed: list[str] = []
        self.unready = threading.Event()

    def run(self) -> None:
        while not self.unready.is_set():
            try:
                status, answer = ask(self.port, "/api/1/users", {"texts": GOOD})
            except OSError as error:
                self.failed.append(repr(error))
                continue
            if status == 200 and answer["score"] > 4:
                self.answered += 1
            else:
                self.failed.append(f"{status} {answer}")


def test_stopped_under_load_it_loses_no_request_and_exits_with_0(docker: Engine, built: Built) -> None:
    with container(docker, built.name, "-e", "SCORER_DRAIN_SECONDS=3") as (name, port):
        wait_ready(port)
        clients = [Client(port) for _ in range(8)]
        for client in clients:
            client.start()
        time.sleep(1)
        stopping = subprocess.Popen(
            [docker.docker, "stop", "-t", "30", name], env=docker.environ, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while ask(port, "/readyz")[0] == 200:
            assert time.monotonic() < deadline, "it stayed ready"
            time.sleep(0.05)
        time.sleep(1)  # the delay of a load balancer
        for client in clients:
            client.unready.set()
        for client in clients:
            client.join(10)
        assert stopping.wait(40) == 0
        state: Any = docker.inspect(name)["State"]
        assert [failure for client in clients for failure in client.failed] == []
        assert sum(client.answered for client in clients) > 100
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_a_damaged_bundle_stops_the_start_with_one_line(docker: Engine, built: Built, tmp_path: Path) -> None:
    name = docker.run("create", built.name).stdout.strip()
    docker.run("cp", f"{name}:/app/bundle", str(tmp_path / "bundle"))
    docker.run("rm", name)
    booster = tmp_path / "bundle" / "booster.txt"
    content = bytearray(booster.read_bytes())
    content[1_000] ^= 1
    booster.write_bytes(content)
    done = docker.run("run", "--rm", *HARDENED, "-v", f"{tmp_path}/bundle:/app/bundle:ro", built.name, check=False)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert "booster.txt was modified or is damaged" in lines[0]


def test_a_given_bundle_is_built_into_the_image(docker: Engine, built: Built) -> None:
    name = docker.run("create", built.name).stdout.strip()
    given = ROOT / "build" / "image-bundle"
    assert not given.exists(), "build/image-bundle must not exist before this test"
    try:
        docker.run("cp", f"{name}:/app/bundle", str(given))
        manifest = json.loads((given / "manifest.json").read_text())
        manifest["seed"] = 4242
        (given / "manifest.json").write_text(json.dumps(manifest))
        build(docker, built.base, "--build-arg", "BUNDLE=given", tag="lightgbm-clf:given")
        with container(docker, "lightgbm-clf:given") as (_, port):
            wait_ready(port)
            assert ask(port, "/version")[1]["bundle"]["seed"] == 4242
    finally:
        docker.run("rm", name, check=False)
        docker.run("image", "rm", "-f", "lightgbm-clf:given", check=False)
        subprocess.run(["rm", "-rf", str(given)], check=True)


def test_compose_starts_the_service_and_redis(docker: Engine, built: Built) -> None:
    port = free_port()
    environ = {**docker.environ, "IMAGE": built.name, "REDIS_IMAGE": base(docker, REDIS), "PORT": str(port)}
    compose = ["docker-compose", "-p", "scorer-tested", "-f", "compose.yaml"]
    if docker.run("compose", "version", check=False).returncode == 0:
        compose = [docker.docker, "compose", *compose[1:]]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*compose, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    try:
        run("up", "-d")
        wait_ready(port)
        assert ask(port, "/api/1/users", {"texts": GOOD})[1]["score"] > 4.0
        for service in ("scorer", "redis"):
            name = run("ps", "-q", service).strip()
            deadline = time.monotonic() + 40
            while (health := docker.inspect(name)["State"]["Health"]["Status"]) != "healthy":  # type: ignore[index]
                assert time.monotonic() < deadline, f"{service} is {health}"
                time.sleep(0.5)
        ports: Any = docker.inspect(run("ps", "-q", "redis").strip())["NetworkSettings"]
        assert not any(ports["Ports"].values())
    finally:
        run("down", "-v", "-t", "20")
