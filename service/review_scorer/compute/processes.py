"""Processes of this machine, side by side, that end with the one that started them."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from types import TracebackType
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Processes(ProcessPoolExecutor):
    """A pool of ``count`` processes, which hear nothing of Ctrl-C: that is for who waits for them to tell.

    Whatever else ends the wait, an error or an interrupt, ends them too; nobody would take what they still compute.
    Futures may not be cancelled one by one, as ``map`` does that is given up: the pool cannot be ended then.
    """

    def __init__(
        self, count: int, initializer: Callable[..., None] | None = None, initargs: Sequence[Any] = ()
    ) -> None:
        # Spawned, not forked: LightGBM's threads do not survive a fork.
        super().__init__(count, get_context("spawn"), initializer, tuple(initargs))

    def submit(self, function: Callable[..., Answer], /, *args: Any, **options: Any) -> Future[Answer]:
        """Have ``function`` called; this may start a process."""
        with _interrupts_held_back():
            return super().submit(function, *args, **options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Wait for what was asked for; after an error end it."""
        if kind:
            for process in active_children():
                process.terminate()
        return super().__exit__(kind, error, trace)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait for the end of this. Processes that are started here never hear of it, as they keep the mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
