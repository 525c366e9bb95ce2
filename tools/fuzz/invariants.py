"""Targets of the fuzzer, each with the invariants that must hold for every input.

A target takes a duration and a seed and returns the number of inputs it tried. It raises for the first input that
violates an invariant, shrunk by Hypothesis.
"""

import json
import math
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from review_scorer.api.parsing import ExplainRequest, ScoreRequest, parse_body, parse_query
from review_scorer.errors import STATUS, RequestError, error_response
from tests.support.running import ROOT, Server
from tools.fuzz.inputs import BODIES, QUERIES, WIRE

BATCH = 500
AT_ONCE = 20
_Input = TypeVar("_Input")


class InvariantError(AssertionError):
    """An input violated an invariant."""


def feed(strategy: st.SearchStrategy[_Input], check: Callable[[_Input], None], *, seconds: float, seed: int) -> int:
    """Call ``check`` with batches of inputs for ``seconds``, at least one batch; return the number of inputs."""
    count = 0

    def counted(value: _Input) -> None:
        nonlocal count
        count += 1
        check(value)

    until = time.monotonic() + seconds
    while not count or time.monotonic() < until:
        quiet = hypothesis.settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        hypothesis.seed(seed)(quiet(hypothesis.given(strategy)(counted)))()
        seed += 1
    return count


def decoder(_server: Server, *, seconds: float, seed: int) -> int:
    """Parse bodies and queries in process: each gives a request with texts or a client error."""
    decoders: list[msgspec.json.Decoder[Any]] = [msgspec.json.Decoder(kind) for kind in (ScoreRequest, ExplainRequest)]

    def check(inputs: tuple[bytes, bytes]) -> None:
        body, query = inputs
        for read in (*(lambda each=each: parse_body(body, each) for each in decoders), lambda: parse_query(query)):
            try:
                texts = read().texts  # type: ignore[no-untyped-call]
            except RequestError as error:
                status, _, answer = error_response(error, "")
                if not 400 <= status < 500 or msgspec.json.decode(answer).keys() != {"error"}:
                    raise InvariantError(f"{status} {answer!r} for {inputs!r}") from error
            else:
                assert all(isinstance(text, str) for text in ([texts] if isinstance(texts, str) else texts))

    return 2 * feed(st.tuples(BODIES, QUERIES), check, seconds=seconds, seed=seed)


def bodies(server: Server, *, seconds: float, seed: int) -> int:
    """Post bodies over one connection: each gives finite, reproducible scores from 1 to 5, or a client error."""
    with closing(HTTPConnection(*server.address, timeout=10)) as connection:

        def ask(path: str, body: bytes) -> tuple[int, Any]:
            connection.request("POST", path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

        def check(body: bytes) -> None:
            status, answer = ask("/api/1/scores", body)
            explained, _ = ask("/api/1/explain", body)
            if explained == 200:
                status, answer = ask("/api/1/scores", body)
            if status != 200:
                assert status == STATUS[answer["error"]["code"]], answer
                assert 400 <= status < 500, answer
            else:
                scores = _scores(answer)
                assert all(math.isfinite(score) and 1 <= score <= 5 for score in scores)
                assert _scores(ask("/api/1/scores", body)[1]) == scores

        return feed(BODIES, check, seconds=seconds, seed=seed)


def wire(server: Server, *, seconds: float, seed: int) -> int:
    """Send raw bytes, each over its own connection: every connection ends, and no response is a 500."""

    def check(inputs: list[bytes]) -> None:
        with _connections(server, len(inputs)) as connections:
            for connection, sent in zip(connections, inputs, strict=True):
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(sent)
            for connection, sent in zip(connections, inputs, strict=True):
                statuses = re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", _rest(connection))
                if any(status >= b"500" and status != b"503" for status in statuses):
                    raise InvariantError(f"{statuses} for {sent!r}")

    inputs = st.lists(WIRE, min_size=AT_ONCE, max_size=AT_ONCE)
    return AT_ONCE * feed(inputs, check, seconds=seconds, seed=seed)


def described(server: Server, *, seconds: float, seed: int) -> int:
    """Run schemathesis on the OpenAPI document: every response is as described.

    tests/api/test_openapi.py sends the examples; schemathesis does not support JSON Lines.
    """
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json"]
    command += ["--phases", "coverage,fuzzing", "--seed", str(seed), "--max-examples", "60", "--no-color"]
    # A blank text is valid by its schema but is refused.
    command += ["--exclude-checks", "positive_data_acceptance", "--generation-database", "none"]
    if seconds:
        command += ["--max-time", str(math.ceil(seconds))]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tools.fuzz.media"}
    # In an empty directory, so that it does not replay findings of earlier runs.
    with TemporaryDirectory() as nowhere:
        ended = subprocess.run(command, cwd=nowhere, env=variables, capture_output=True, text=True, check=False)
    tried = re.search(r"Test cases:\s+([\d,]+) generated", ended.stdout)
    if ended.returncode or not tried:
        raise InvariantError(ended.stdout[-5_000:] + ended.stderr[-1_000:])
    return int(tried[1].replace(",", ""))


TARGETS = (decoder, bodies, wire, described)


def _scores(answer: dict[str, Any]) -> list[float]:
    details = answer.get("results", [answer])
    scores: list[float] = answer.get("scores") or [detail["score"] for detail in details]
    return scores


@contextmanager
def _connections(server: Server, number: int) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(server.address, timeout=10) for _ in range(number)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _rest(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return received
