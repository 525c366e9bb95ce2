"""What gunicorn's master and its workers tell each other's numbers: which row a worker adds to, and how one ended."""

from collections.abc import Callable
from typing import Any, TypeVar

from review_scorer.telemetry.shared_counters import shared_counters

IN_FLIGHT, RESTARTS, RELOADS, REFUSALS = "in_flight", "worker_restarts", "bundle_reloads", "bundle_refusals"
"""Names of numbers: requests in hand; workers that ended unasked; bundles taken up and refused while serving."""

App = TypeVar("App")


def take_row(server: Any, worker: Any) -> None:
    """Choose the row of a worker that is about to be forked; gunicorn's ``pre_fork``."""
    living = [other.tallies_row for other in server.WORKERS.values()]
    worker.tallies_row = shared_counters().free_row(living)


def forget_worker(server: Any, worker: Any) -> None:
    """Count a worker that ended unasked, and what it had in hand as gone; gunicorn's ``child_exit``."""
    tallies = shared_counters()
    tallies.clear(worker.tallies_row, IN_FLIGHT)
    # Whoever is told to end is one too many before; whoever just ends leaves one too few.
    if len(server.WORKERS) < server.num_workers:
        tallies.add(RESTARTS)


def counted(read_app: Callable[[], App]) -> Callable[[], App]:
    """Return ``read_app``, counting the bundles that it takes up and refuses."""

    def read() -> App:
        try:
            app = read_app()
        except Exception:
            shared_counters().add(REFUSALS)
            raise
        shared_counters().add(RELOADS)
        return app

    return read
