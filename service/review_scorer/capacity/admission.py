"""Admission control: refuses requests that the worker cannot answer in time, as early as possible.

``Admission.decide`` is the only place that decides "overloaded". It is asked at three moments:

head    before the body is read, with the work that ``Content-Length`` announces: a refusal is cheap there
body    once the body has arrived, with its length and its number of texts, and with the limits on what is held at once
queue   when the computation is due, with the seconds that it has waited

It applies two limits. The time that a new request will wait in the queue, estimated from the latest requests, keeps
single reviews quick at any load and on any machine. The accepted work in texts bounds lists, which share the queue
fairly. Work counts only once the body has arrived, so a slow sender does not block others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from review_scorer.capacity.queue import WorkQueue
from review_scorer.errors import RequestError, overloaded

# UTF-8 bytes of a review of usual length: about a hundred characters of three bytes.
BYTES_PER_TEXT = 300

# The paths that compute. Others, as health checks and metrics, are always answered.
_COMPUTING_PATHS = ("/api/", "/v2/models/reviews/infer")

# So many slices may always wait, however long the wait is estimated: the estimate is learnt from them.
_ALWAYS_ADMITTED = 8

# Of the requests that are expected to wait this fraction of the limit, hardly any exceeds it. With a half, a burst
# after a pause of the machine was refused in part at 60% load.
_EXPECTED_SHARE = 3 / 4

# The workers of a reload share too little CPU for a second: a late answer is better than a refusal then.
_MAX_WAIT_IN_RELOAD = 2.0


class Admission:
    """Decides which requests one worker accepts, and counts the accepted work.

    ``max_wait`` is the limit of the wait in ``queue``, in seconds; while ``reloading`` returns true it is at least 2.
    ``max_texts`` limits ``pending``, the accepted work in texts. ``refused`` counts the refused requests.
    """

    def __init__(self, *, max_wait: float, max_texts: int, reloading: Callable[[], bool] = lambda: False) -> None:
        self.queue = WorkQueue(self.decide)
        self.pending = 0
        self.refused = 0
        self._max_wait = max_wait
        self._max_texts = max_texts
        self._reloading = reloading

    @property
    def max_wait(self) -> float:
        """Return the seconds that a computation may wait now."""
        return max(self._max_wait, _MAX_WAIT_IN_RELOAD) if self._reloading() else self._max_wait

    def decide(
        self, waited: float = 0.0, *, work: int | None = None, path: str | None = None, at_limit: bool = False
    ) -> RequestError | None:
        """Return the error that refuses a request, and count it; return None for a request that is accepted.

        ``waited`` is in seconds. ``work`` is in texts; the first request is always accepted, and so is one for a
        ``path`` that computes nothing. ``at_limit`` says that the caller holds as much as it may.
        """
        accepted = (
            not at_limit
            and (waited <= self._max_wait or waited <= self.max_wait)
            and (work is None or not self.pending or self._has_room(work, path))
        )
        if accepted:
            return None
        self.refused += 1
        return overloaded()

    @contextmanager
    def accept(self, texts: int, size: int) -> Iterator[None]:
        """Count ``texts`` texts in ``size`` bytes as pending during the block; raise a ``RequestError`` if refused."""
        work = self.acquire(texts, size)
        try:
            yield
        finally:
            self.release(work)

    def acquire(self, texts: int, size: int) -> int:
        """Count a request as ``accept`` does; return the work, which must be given to ``release``."""
        work = max(texts, size // BYTES_PER_TEXT)
        if error := self.decide(work=work):
            raise error
        self.pending += work
        return work

    def release(self, work: int) -> None:
        """Count ``work`` as done."""
        self.pending -= work

    def _has_room(self, work: int, path: str | None) -> bool:
        if path is not None and not path.startswith(_COMPUTING_PATHS):
            return True
        queue = self.queue
        if queue.waiting >= _ALWAYS_ADMITTED and queue.expected_wait > self.max_wait * _EXPECTED_SHARE:
            return False
        return self.pending + work <= self._max_texts
