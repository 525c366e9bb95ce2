"""Docker engine for the tests: a running one, or else one that is started here and stopped after the tests.

If no registry can be reached, the base images are made from Debian packages.
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
# Substitutes for images that cannot be pulled: Debian packages, and a command to run in the new root.
_SUBSTITUTES = {
    PYTHON: (
        "ca-certificates,python3.11,python3.11-venv",
        'ln -s /usr/bin/python3.11 "$1/usr/local/bin/python"; rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ),
    REDIS: ("redis-server", "true"),
}


@dataclass(frozen=True)
class Engine:
    """A Docker client with a reachable engine."""

    docker: str
    environ: dict[str, str]

    def run(self, *arguments: str, check: bool = True, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
        """Run ``docker``; with ``check``, raise ``AssertionError`` with its output if it fails."""
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
        """Return the details of an image or container."""
        found: list[dict[str, object]] = json.loads(self.run("inspect", name).stdout)
        return found[0]


@contextmanager
def engine() -> Iterator[Engine]:
    """Yield a reachable engine; one that was started here is stopped afterwards."""
    # Debian's client first: another one on the PATH may lack BuildKit.
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
        raise AssertionError("no Docker engine is running; starting one requires root and the package docker.io")
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
    """Return ``image``, or a substitute if it cannot be pulled."""
    if docker.run("image", "inspect", image, check=False).returncode == 0:
        return image
    if docker.run("pull", "-q", image, check=False, timeout=120).returncode == 0:
        return image
    name = f"substitute-{image}"
    if docker.run("image", "inspect", name, check=False).returncode:
        docker.run("import", "--change", 'CMD ["python"]', str(_substitute(image)), name)
    return name


def _substitute(image: str) -> Path:
    """Return a root file system of Debian packages, created once in ``build/``."""
    archive = BASES / f"{image.replace(':', '-')}.tar"
    if not archive.exists():
        packages, customise = _SUBSTITUTES[image]
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
    """Return the Debian sources file of this machine, if there is one."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    return [str(sources)] if sources.exists() else []


def build_secrets() -> list[str]:
    """Return build options that pass this machine's package index settings as secrets, so that no image has them."""
    options: list[str] = []
    for name, path in (("pip_conf", "/etc/pip.conf"), ("ca", "/etc/ssl/certs/ca-certificates.crt")):
        if Path(path).exists():
            options += ["--secret", f"id={name},src={path}"]
    return options
