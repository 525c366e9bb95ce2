"""Random bytes that nobody can guess, asked of the kernel for many requests at once: each question is a system call."""

import os
from io import BytesIO

_AT_ONCE = 4_096

_pool = BytesIO()


def random_bytes(count: int) -> bytes:
    """Return ``count`` bytes, at most 4,096, that were never returned before."""
    global _pool  # noqa: PLW0603 - one for the process
    taken = _pool.read(count)
    if len(taken) < count:
        _pool = BytesIO(os.urandom(_AT_ONCE))
        taken = _pool.read(count)
    return taken


def _forget() -> None:
    """Share nothing with the process that this one was forked from: both would give the same names."""
    global _pool  # noqa: PLW0603
    _pool = BytesIO()


os.register_at_fork(after_in_child=_forget)
