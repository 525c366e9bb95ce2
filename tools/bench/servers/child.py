"""Child processes that exchange lines of JSON with this one, so that each side has its own process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class ChildError(Exception):
    """A child process ended instead of answering."""


class Child:
    """A running child process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, question: object) -> None:
        """Send one line."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Return the next line; raise ``ChildError`` if there is none."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"{self._process.args!r} ended with status {self._process.wait()}")
        return json.loads(line)

    def ask(self, question: object) -> Any:
        """Send one line and return the answer to it."""
        self.send(question)
        return self.receive()


def one_thread() -> dict[str, str]:
    """Return this environment with one OpenMP thread; with more, LightGBM wastes CPU."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """Yield a process that runs a module of this package; kill it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tools.bench.servers.{module}", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=one_thread(),
        text=True,
    )
    try:
        yield Child(process)
    finally:
        process.kill()
        process.communicate()
