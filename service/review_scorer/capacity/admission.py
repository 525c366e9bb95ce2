"""What a worker takes on: no more than it can do in time; the rest is told at once to come back.

Two things are bounded. How long a newcomer will wait for its first turn, judged by the pace of the queue: this keeps
single reviews quick at any load and on any machine. And how much work was accepted altogether, in texts: this keeps
lists, which take their turns fairly among the others, from piling up. A request is judged by the length of its body
before that is read, so that a refusal is cheap, and by its texts once they are known. It counts only from then on: who
announces much and sends it slowly keeps nobody out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from review_scorer.capacity.queue import WorkQueue
from review_scorer.errors import RequestError, overloaded

# Of a review of usual length, in UTF-8: about a hundred characters of three bytes.
BYTES_PER_TEXT = 300

# What needs computing; questions about the service itself are always answered.
_COMPUTED = ("/api/", "/v2/models/reviews/infer")

# So many may always wait, however slow things seem to be: the pace is learnt from those who do.
_FEW = 8

# The pace is a guess: of those who are expected to wait this part of what they may, hardly any is late. With half of
# it, a burst that a pause of the machine makes was refused in part at 60% load.
_SURE = 3 / 4


class Admission:
    """Counts the work that one worker has accepted.

    ``pending`` is that work, in texts; ``refused`` counts the requests that were turned away.
    """

    def __init__(self, turns: WorkQueue, *, max_texts: int) -> None:
        self.turns = turns
        self.pending = 0
        self.refused = 0
        self._max_texts = max_texts

    def refuses(self, path: str, size: int) -> bool:
        """Whether a request for ``path`` with a body (or query) of ``size`` bytes is to be turned away, and count it.

        Only what needs computing is: questions about the service itself are always answered.
        """
        if not self.pending or not path.startswith(_COMPUTED) or self._admits(size // BYTES_PER_TEXT):
            return False
        self.refused += 1
        return True

    @contextmanager
    def accept(self, texts: int, size: int) -> Iterator[None]:
        """Count a request of ``texts`` texts in ``size`` bytes as pending; raise ``RequestError`` if it is too much."""
        work = self.begin(texts, size)
        try:
            yield
        finally:
            self.end(work)

    def begin(self, texts: int, size: int) -> int:
        """Do the first half of ``accept``; return what ``end`` has to be given."""
        work = max(texts, size // BYTES_PER_TEXT)
        if self.pending and not self._admits(work):
            raise self.refusal()
        self.pending += work
        return work

    def end(self, work: int) -> None:
        """Do the second half of ``accept``."""
        self.pending -= work

    def refusal(self) -> RequestError:
        """Return what turns a request away, whatever there is too much of, and count it."""
        self.refused += 1
        return overloaded()

    def _admits(self, work: int) -> bool:
        if self.turns.waiting >= _FEW and self.turns.expected > self.turns.patience * _SURE:
            return False
        return self.pending + work <= self._max_texts
