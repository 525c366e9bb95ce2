"""One training at a time for each bundle: two would clear away each other's steps."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from review_scorer.corpora.errors import CorpusError


@contextmanager
def alone(bundle: Path) -> Iterator[None]:
    """Keep every other training away from the place of ``bundle``; a kill lets go of it, too.

    Raises ``CorpusError`` while another one has it.
    """
    bundle = bundle.absolute()
    bundle.parent.mkdir(parents=True, exist_ok=True)
    lock = bundle.with_name(f".{bundle.name}.lock")
    with lock.open("a") as file:
        if not _taken(file, lock):
            raise CorpusError(f"another training of {bundle} is under way; wait for its end, or name another bundle")
        try:
            yield
        finally:
            lock.unlink()


def _taken(file: IO[str], lock: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Whoever had it may just have removed the file: then the next one locks another.
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    return False
