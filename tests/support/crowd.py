"""Concurrent clients, each in its own thread with a persistent connection."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from tests.support.running import Server

PATH = "/api/1/scores"


@dataclass
class Crowd:
    """Results of the clients: responses by status, failures, seconds by status, and prediction ids."""

    bodies: Sequence[bytes]
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    retry_after: list[str | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    closed: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def send(self, server: Server, *, stay: bool) -> None:
        """Send until stopped or, without ``stay``, until a response has `Connection: close`."""
        connection = HTTPConnection(*server.address, timeout=20)
        number = 0
        while not self.stopped.is_set():
            body = self.bodies[number % len(self.bodies)]
            number += 1
            started = time.monotonic()
            try:
                connection.request("POST", PATH, body)
                response = connection.getresponse()
                response.read()
            except (OSError, HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            self.answers[response.status] += 1
            self.seconds.setdefault(response.status, []).append(time.monotonic() - started)
            if response.status == 200:
                self.ids.append(response.headers["X-Prediction-Id"])
            if response.status == 503:
                self.retry_after.append(response.headers["Retry-After"])
            if response.headers["Connection"] == "close":
                self.closed += 1
                if not stay:
                    break
        connection.close()


@contextmanager
def crowd(server: Server, bodies: Sequence[bytes], *, clients: int, stay: bool = True) -> Iterator[Crowd]:
    """Send ``bodies`` from ``clients`` threads during the block."""
    met = Crowd(bodies)
    threads = [threading.Thread(target=met.send, args=[server], kwargs={"stay": stay}) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield met
    finally:
        met.stopped.set()
        for thread in threads:
            thread.join()
