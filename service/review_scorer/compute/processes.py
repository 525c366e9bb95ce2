"""A pool of processes on this machine that end with their parent."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


class ProcessPool(ProcessPoolExecutor):
    """A pool of ``count`` processes, which ignore Ctrl-C: the parent handles it.

    If an exception ends the ``with`` block, an interrupt for example, the processes are terminated, because their
    results are not needed. Futures must not be cancelled one by one, as an abandoned ``map`` does: the pool could then
    not be shut down.
    """

    def __init__(
        self, count: int, initializer: Callable[..., None] | None = None, initargs: Sequence[Any] = ()
    ) -> None:
        # Spawned, not forked: LightGBM's threads do not survive a fork.
        super().__init__(count, get_context("spawn"), initializer, tuple(initargs))

    def submit(self, function: Callable[..., Result], /, *args: Any, **options: Any) -> Future[Result]:
        """Schedule a call of ``function``; this may start a process."""
        with _interrupts_blocked():
            return super().submit(function, *args, **options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Wait for the submitted calls; terminate the processes after an exception."""
        if kind:
            for process in active_children():
                process.terminate()
        return super().__exit__(kind, error, trace)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in this block. Processes that are started in it inherit the signal mask and never receive it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
