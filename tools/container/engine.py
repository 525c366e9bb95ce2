"""A Docker engine to test with: the one that answers here, else one of our own, ended with the tests.

Where no registry answers, the base images are made from Debian's packages instead.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASES = ROOT / "build" / "bases"

PYTHON = "python:3.11-slim-bookworm"
REDIS = "redis:7-bookworm"
# What stands in for an image that cannot be pulled, and what to do to its root before it is imported.
_STAND_INS = {
    PYTHON: (
        "ca-certificates,python3.11,python3.11-venv",
        'ln -s /usr/bin/python3.11 "$1/usr/local/bin/python"; rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ),
    REDIS: ("redis-server", "true"),
}


@dataclass(frozen=True)
class Engine:
    """A Docker command line that reaches an engine."""

    docker: str
    environ: dict[str, str]

    def run(self, *arguments: str, check: bool = True, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
        """Run ``docker`` with the arguments; raise with its output when it fails and ``check`` holds."""
        done = subprocess.run(
            [self.docker, *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(arguments)} failed:\n{done.stdout[-4000:]}{done.stderr[-8000:]}")
        return done

    def inspect(self, name: str) -> dict[str, object]:
        """Return what the engine knows of an image or container."""
        found: list[dict[str, object]] = json.loads(self.run("inspect", name).stdout)
        return found[0]


@contextmanager
def engine() -> Iterator[Engine]:
    """An engine that answers; one that was started here is stopped here, by its own process."""
    # Debian's own client first: another one on the PATH may be a client without build support.
    clients = [client for client in ("/usr/bin/docker", shutil.which("docker")) if client and Path(client).exists()]
    if not clients:
        raise AssertionError("no docker client; install the package docker.io")
    environ = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": "/nonexistent"}
    found = Engine(clients[0], environ)
    if found.run("info", check=False, timeout=30).returncode == 0:
        yield found
        return
    daemon = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not daemon or os.geteuid() != 0:
        raise AssertionError(
            "no Docker engine answers, and none can be started: that takes root and the package docker.io"
        )
    with (
        tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as directory,
        _daemon(daemon, Path(directory)) as socket,
    ):
        yield Engine(clients[0], {**environ, "DOCKER_HOST": f"unix://{socket}"})


@contextmanager
def _daemon(daemon: str, directory: Path) -> Iterator[Path]:
    socket = directory / "docker.sock"
    command = [daemon, f"--host=unix://{socket}", f"--pidfile={directory / 'pid'}"]
    command += [f"--data-root={directory / 'data'}", f"--exec-root={directory / 'exec'}"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"dockerd did not start:\n{(directory / 'log').read_text()[-3000:]}")
            time.sleep(0.1)
        yield socket
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def base(docker: Engine, image: str) -> str:
    """Return the name of an image that is ``image``, or stands in for it where it cannot be pulled."""
    if docker.run("image", "inspect", image, check=False).returncode == 0:
        return image
    if docker.run("pull", "-q", image, check=False, timeout=120).returncode == 0:
        return image
    name = f"stand-in-{image}"
    if docker.run("image", "inspect", name, check=False).returncode:
        docker.run("import", "--change", 'CMD ["python"]', str(_stand_in(image)), name)
    return name


def _stand_in(image: str) -> Path:
    """Return a root file system of Debian packages, made once and kept in ``build/``."""
    archive = BASES / f"{image.replace(':', '-')}.tar"
    if not archive.exists():
        packages, customise = _STAND_INS[image]
        BASES.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.tar")
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={packages}",
            "--aptopt=Acquire::Check-Valid-Until false",
        ]
        command += [f"--customize-hook={customise}", "bookworm", str(partial), *_mirror()]
        subprocess.run(command, check=True)
        partial.rename(archive)
    return archive


def _mirror() -> Sequence[str]:
    """Return where this machine takes its Debian packages from, if it says so in one file."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    return [str(sources)] if sources.exists() else []


def build_secrets() -> list[str]:
    """Return the build options that hand this machine's package index settings to the build, and to no image."""
    options: list[str] = []
    for name, path in (("pip_conf", "/etc/pip.conf"), ("ca", "/etc/ssl/certs/ca-certificates.crt")):
        if Path(path).exists():
            options += ["--secret", f"id={name},src={path}"]
    return options
