"""Clusters of Dask, for those who train or score on more than one machine. Serving knows nothing of them."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from review_scorer.compute.cores import available_cores
from review_scorer.corpora.reviews import CorpusError

WITHOUT_DASK = "--scheduler takes Dask: install the extra `distributed`"


class ClusterError(CorpusError):
    """The cluster cannot be reached, or did not bring a step to its end."""


@contextmanager
def connect(scheduler: str, *, workers: int | None = None, patience: float = 20) -> Iterator[Any]:
    """Give a client of the cluster at ``scheduler``, ``tcp://…``, once it has ``workers``: one, if None.

    ``local`` makes one here, of so many processes of one thread: one for each core, if None.

    Raises ``ClusterError`` without Dask, where scheduler or ``workers`` are not there in ``patience`` seconds each, or
    where the connection is lost.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - serving does without it
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError:
        raise ClusterError(WITHOUT_DASK) from None
    try:
        if scheduler != "local":
            with Client(scheduler, timeout=patience) as client:
                client.wait_for_workers(workers or 1, timeout=patience)
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers or available_cores(),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any free port: others may have a cluster here, too
                silence_logs=logging.CRITICAL,  # what fails is told once, by who asked for it
            ) as cluster,
            Client(cluster) as client,
        ):
            client.run(_leave_the_keyboard_to_the_parent)
            yield client
    except KilledWorker as error:
        raise ClusterError(f"the cluster at {scheduler} lost several workers over one step: {error}") from None
    except OSError as error:
        raise ClusterError(f"no cluster at {scheduler}: {error}") from None


def _leave_the_keyboard_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
