"""Words into numbers: TF-IDF over word n-grams.

The weights are scikit-learn's ``TfidfVectorizer(sublinear_tf=True, norm="l2")``: for a term that stands ``n``
times in a text, ``(1 + ln n) · idf``, each text's vector scaled to length one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Occurrence(NamedTuple):
    """One place where a term stands in a text: ``tokens[start:end]`` are the tokens of the term of ``column``."""

    column: int
    start: int
    end: int


class Rows(NamedTuple):
    """Sparse rows (CSR): row ``i`` has ``indices[indptr[i]:indptr[i+1]]``, ascending, and as many ``values``."""

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]


def ngrams(tokens: Sequence[str], longest: int) -> Iterator[str]:
    """Yield every run of 1 to ``longest`` tokens, its tokens joined by a space."""
    for size in range(1, longest + 1):
        for start in range(len(tokens) - size + 1):
            yield " ".join(tokens[start : start + size])


class Vectorizer:
    """A vocabulary with its weights.

    ``terms`` are n-grams of up to ``longest`` tokens; a term's position is its column. ``idf`` is float64, one a term:
    the inverse document frequency, or a power of it.
    """

    def __init__(self, terms: Sequence[str], idf: NDArray[np.float64], *, longest: int) -> None:
        self.terms = terms
        self.idf = idf
        self.longest = longest
        self._terms = _Terms(terms, longest)
        self._sublinear = _sublinear(16)  # grows when a text repeats a term more often

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.terms)

    def vocabulary_coverage(self, tokens: Sequence[str]) -> float:
        """Return the share of the tokens, 0–1, that are terms by themselves; 0 where there is no token."""
        return self._terms.known(tokens) / len(tokens) if tokens else 0.0

    def transform(self, texts: Iterable[Sequence[str]]) -> Rows:
        """Return one row for each text, given as its tokens. A text of unknown words is an empty row."""
        tokens: list[str | None] = []
        lengths = []
        for text in texts:
            tokens += text
            tokens.append(None)  # no run goes on from one text to the next
            lengths.append(len(text) + 1)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        # One sort for all rows: column c of row i is the number i · width + c.
        found = [(column, owner[: len(column)]) for column in self._terms.find(tokens)]
        entries = np.concatenate([(column + row * self.width)[column >= 0] for column, row in found])
        entries, counts = _count(entries)
        rows, columns = np.divmod(entries, max(self.width, 1))
        values = self._weigh(columns, counts)
        # bincount adds one value after the other, as transform_one does: the sums are equal to the last bit.
        norms = np.sqrt(np.bincount(rows, values * values, minlength=len(lengths)))
        ends = np.cumsum(np.bincount(rows, minlength=len(lengths)))
        indptr = np.concatenate(([0], ends)).astype(np.int32)
        return Rows(indptr, columns.astype(np.int32), values / norms[rows])

    def transform_one(self, tokens: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the columns, ascending, and values of one text: the row that ``transform`` returns, sooner."""
        entries = np.concatenate(self._terms.find(tokens))
        columns, counts = _count(entries[entries >= 0])
        values = self._weigh(columns, counts)
        if len(values):
            values /= math.sqrt((values * values).cumsum()[-1])
        return columns, values

    def occurrences(self, tokens: Sequence[str]) -> Iterator[Occurrence]:
        """Yield every place where a term stands in ``tokens``: as many for each column as the row counts."""
        for size, columns in enumerate(self._terms.find(tokens), 1):
            for start, column in enumerate(columns.tolist()):
                if column >= 0:
                    yield Occurrence(column, start, start + size)

    def _weigh(self, columns: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``(1 + ln n) · idf`` for each column and its count ``n``."""
        try:
            sublinear = self._sublinear[counts]
        except IndexError:
            self._sublinear = _sublinear(int(counts.max()))
            sublinear = self._sublinear[counts]
        weights: NDArray[np.float64] = self.idf[columns] * sublinear
        return weights


class _Terms:
    """Finds the terms in a run of tokens, all n-grams of one size at once.

    Each term has a number, its column; so has a run of tokens that only begins one, from the number of terms on. A
    sorted table leads from the number of a run and that of the token after it to the number of the longer run. So no
    n-gram is ever built as text, and forked workers share the table, which Python's own counting of references would
    copy were it a ``dict``.
    """

    def __init__(self, terms: Sequence[str], longest: int) -> None:
        self._longest = longest
        self._count = len(terms)
        numbers = {term: column for column, term in enumerate(terms)}
        for term in terms:
            head, _, token = term.rpartition(" ")
            if head and (head not in numbers or token not in numbers):
                _number_parts(term, numbers)
        self._base = len(numbers) + 1  # the number of an unknown token, -1, leads nowhere
        self._tokens: dict[str | None, int] = {}
        runs, longer = [], []
        for run, number in numbers.items():
            head, _, token = run.rpartition(" ")
            if head:
                runs.append(numbers[head] * self._base + numbers[token])
                longer.append(number)
            else:
                self._tokens[run] = number
        # New numbers, side by side: finding one counts a reference, which costs a forked worker the page that it is on.
        self._tokens = dict(zip(self._tokens, np.array([*self._tokens.values()], np.int64).tolist(), strict=True))
        # Tokens that are no terms by themselves; mostly there is none.
        self._parts = {token for token, number in self._tokens.items() if number >= self._count}
        # The last entry is found by nothing; it spares asking whether a search ended behind the table.
        table = np.array([*runs, np.iinfo(np.int64).max])
        order = table.argsort()
        self._runs = table[order]
        self._longer = np.array([*longer, -1])[order]

    def find(self, tokens: Sequence[str | None]) -> list[NDArray[np.int64]]:
        """Return an array for each size of n-gram: the column of the term that starts at each token, -1 for none."""
        first = np.array([*map(self._tokens.get, tokens, repeat(-1))], np.int64)
        found = [first]
        for size in range(1, self._longest):
            wanted = found[-1][:-1] * self._base
            wanted += first[size:]
            at = self._runs.searchsorted(wanted)
            numbers = self._longer.take(at)
            numbers[self._runs.take(at) != wanted] = -1
            found.append(numbers)
        if self._base > self._count + 1:
            for numbers in found:
                numbers[numbers >= self._count] = -1
        return found

    def known(self, tokens: Sequence[str]) -> int:
        """Return how many of the tokens are terms by themselves."""
        known = sum(map(self._tokens.__contains__, tokens))
        return known - sum(map(self._parts.__contains__, tokens)) if self._parts else known


def _number_parts(term: str, numbers: dict[str, int]) -> None:
    """Give a number to the tokens of ``term`` and to what it begins with, where they are no terms themselves."""
    head, _, token = term.rpartition(" ")
    if head:
        numbers.setdefault(token, len(numbers))
        if head not in numbers:
            numbers[head] = len(numbers)
            _number_parts(head, numbers)


def _count(entries: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different entries, ascending, and how often each is there; sorts ``entries`` in place.

    It is ``np.unique`` with its counts, at a third of the cost for as few entries as one text has.
    """
    entries.sort()
    changes = np.ones(len(entries) + 1, bool)
    np.not_equal(entries[1:], entries[:-1], out=changes[1:-1])
    bounds = changes.nonzero()[0]
    return entries[bounds[:-1]], bounds[1:] - bounds[:-1]


def _sublinear(highest: int) -> NDArray[np.float64]:
    return np.array([0.0, *(1.0 + math.log(count) for count in range(1, highest + 1))])
