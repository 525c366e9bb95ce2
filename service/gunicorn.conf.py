"""How gunicorn serves: ``gunicorn -c service/gunicorn.conf.py``. Its settings come from ``SCORER_*`` variables."""

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any

# Before LightGBM is loaded: its threads do not survive the fork into workers.
os.environ["OMP_NUM_THREADS"] = "1"

from review_scorer.server.lifecycle import drain_on_term, port_in_use_reason, reload_on_hup, shared_drain, shared_reload
from review_scorer.settings import SettingsError, read_settings, worker_count
from review_scorer.telemetry.gunicorn_hooks import assign_row, count_exit, count_reloads
from review_scorer.telemetry.log_writer import shared_log_writer
from review_scorer.telemetry.request_log import logging_config
from review_scorer.telemetry.shared_counters import shared_counters

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def _pin_malloc() -> None:
    """Give large blocks back to the system when they are freed, and smaller ones once 64 KiB of them lie free.

    glibc learns from each large block to keep more the next time; after a few lists a worker holds 2 MB more.
    Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # not in every C library
        mallopt(_M_MMAP_THRESHOLD, 131_072)
        mallopt(_M_TRIM_THRESHOLD, 65_536)


_pin_malloc()  # before anything large is loaded
try:
    _settings = read_settings(os.environ)
except SettingsError as error:
    sys.exit(f"review-scorer: {error}")

_SHARED_MEMORY = "/dev/shm"  # noqa: S108

wsgi_app = "review_scorer.app:get_app()"
bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = worker_count(_settings)
worker_class = "review_scorer.server.worker.Worker"
# The bundle is read and verified once, before the fork; the workers share its memory.
preload_app = True
keepalive = _settings.keepalive_seconds
graceful_timeout = _settings.graceful_timeout
timeout = _settings.worker_timeout
# A temporary directory on disk can block the workers' heartbeat.
worker_tmp_dir = _SHARED_MEMORY if Path(_SHARED_MEMORY).is_dir() else None
control_socket_disable = True
proc_name = "review-scorer"
logconfig_dict = logging_config(_settings.log)


def on_starting(_server: object) -> None:
    """End the start with one line when the port is taken; gunicorn calls this before it listens, and never again."""
    if reason := port_in_use_reason(_settings.host, _settings.port):
        sys.exit(f"review-scorer: {reason}")


def when_ready(server: object) -> None:
    """Leave slowly and reload carefully when told to; gunicorn calls this in the master, before the first fork."""
    from review_scorer.app import read_app  # noqa: PLC0415 - it was loaded by now, and not for those who only ask for settings

    drain_on_term(server, shared_drain(), _settings.drain_seconds)
    reload_on_hup(server, count_reloads(read_app), shared_reload())


# The master assigns each worker its row of counters.
pre_fork = assign_row
child_exit = count_exit


def post_fork(_server: object, worker: Any) -> None:
    """Count into the worker's own row, log by its own thread, and keep what was loaded before out of its collections.

    There are tens of thousands of objects that live as long as the process; a look at them all takes 20 to 40 ms of
    CPU, which under a CPU limit is a sixth of a second without an answer.
    """
    gc.freeze()
    shared_counters().attach(worker.counters_row)
    shared_log_writer().start()


def worker_exit(_server: object, _worker: object) -> None:
    """Write the last lines."""
    shared_log_writer().stop()
