"""A Python process that answers lines of JSON with lines of JSON, so that each side has a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class ChildError(Exception):
    """A process ended where an answer was due."""


class Child:
    """A running process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, question: object) -> None:
        """Send one line."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Return the next line; raise ``ChildError`` when there is none."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"{self._process.args!r} ended with status {self._process.wait()}")
        return json.loads(line)

    def ask(self, question: object) -> Any:
        """Return the answer to one line."""
        self.tell(question)
        return self.hear()


def one_thread() -> dict[str, str]:
    """Return this environment with one OpenMP thread: with more LightGBM wastes CPU."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """A process of a module of this package, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tools.bench.{module}", *map(str, arguments)],
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
