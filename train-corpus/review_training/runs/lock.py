"""Allows one training at a time for each bundle: two would delete each other's work directories."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from review_scorer.corpora.errors import CorpusError


@contextmanager
def lock_bundle(bundle: Path) -> Iterator[None]:
    """Hold the lock of ``bundle``, the file ``.NAME.lock`` beside it. The kernel releases it if the process is killed.

    Raises ``CorpusError`` while another process holds it.
    """
    bundle = bundle.absolute()
    bundle.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(bundle.with_name(f".{bundle.name}.lock"), timeout=0).acquire()
    except Timeout:
        raise CorpusError(
            f"another training of {bundle} is running; wait until it ends, or choose another --bundle"
        ) from None
    with held:
        yield
