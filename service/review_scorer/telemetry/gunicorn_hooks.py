"""Gunicorn hooks: assign each worker its row of counters, count unexpected exits and bundle reloads."""

from collections.abc import Callable
from typing import Any, TypeVar

from review_scorer.telemetry.shared_counters import shared_counters

IN_FLIGHT = "requests_in_flight"
RESTARTS = "worker_restarts"
RELOADS, RELOAD_FAILURES = "bundle_reloads", "bundle_reload_failures"
"""Names of counters."""

App = TypeVar("App")


def assign_row(server: Any, worker: Any) -> None:
    """Assign a row of counters to a worker that is about to be forked; gunicorn's ``pre_fork``."""
    used = [other.counters_row for other in server.WORKERS.values()]
    worker.counters_row = shared_counters().free_row(used)


def count_exit(server: Any, worker: Any) -> None:
    """Count an unexpected exit, and clear the requests that the worker had in flight; gunicorn's ``child_exit``."""
    counters = shared_counters()
    counters.clear(worker.counters_row, IN_FLIGHT)
    # If fewer workers are left than configured, this one was not stopped on purpose.
    if len(server.WORKERS) < server.num_workers:
        counters.add(RESTARTS)


def count_reloads(read_app: Callable[[], App]) -> Callable[[], App]:
    """Return ``read_app``, wrapped to count its successes and failures."""

    def read() -> App:
        try:
            app = read_app()
        except Exception:
            shared_counters().add(RELOAD_FAILURES)
            raise
        shared_counters().add(RELOADS)
        return app

    return read
