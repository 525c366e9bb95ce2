"""Connects to Dask clusters, for training and batch scoring on more than one machine."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from review_scorer.compute.cores import available_cores

DASK_MISSING = "--scheduler needs Dask: install the extra `distributed`"


class ClusterError(Exception):
    """A cluster that cannot be reached, or that failed to complete a step; the message is one line."""


@contextmanager
def connect(scheduler: str, *, workers: int | None = None, timeout: float = 20) -> Iterator[Any]:
    """Yield a client of the cluster at ``scheduler``, ``tcp://…``, once it has ``workers`` workers (default: one).

    The scheduler ``local`` starts a cluster on this machine, of ``workers`` processes with one thread each (default:
    one for each core).

    Raises ``ClusterError`` if Dask is not installed, if the scheduler or then the workers are not available within
    ``timeout`` seconds each, or if the connection is lost.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an optional dependency
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError:
        raise ClusterError(DASK_MISSING) from None
    try:
        if scheduler != "local":
            with Client(scheduler, timeout=timeout) as client:
                client.wait_for_workers(workers or 1, timeout=timeout)
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers or available_cores(),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any free port: another cluster may run on this machine
                silence_logs=logging.CRITICAL,  # the caller reports each failure once
            ) as cluster,
            Client(cluster) as client,
        ):
            client.run(_ignore_interrupts)
            yield client
    except KilledWorker as error:
        raise ClusterError(f"the cluster at {scheduler} lost several workers in one step: {error}") from None
    except OSError as error:
        raise ClusterError(f"no cluster at {scheduler}: {error}") from None


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C in a worker process: the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
