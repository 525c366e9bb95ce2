"""TF-IDF vectors of word n-grams.

The weights are those of scikit-learn's ``TfidfVectorizer(sublinear_tf=True, norm="l2")``: ``(1 + ln n) · idf`` for a
term that occurs ``n`` times in a text, and each text's vector is scaled to length one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Occurrence(NamedTuple):
    """An occurrence of the term of ``column`` in a text, as ``tokens[start:end]``."""

    column: int
    start: int
    end: int


class Rows(NamedTuple):
    """A sparse matrix in CSR format.

    Row ``i`` has the columns ``indices[indptr[i]:indptr[i+1]]``, ascending, and the ``values`` at the same positions.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]


class Vectorizer:
    """A vocabulary with the weights of its terms.

    ``terms`` are n-grams of up to ``longest`` tokens, joined by a space; the position of a term is its column. ``idf``,
    float64 of shape ``(width,)``, is the inverse document frequency of each term, or a power of it.
    """

    def __init__(self, terms: Sequence[str], idf: NDArray[np.float64], *, longest: int) -> None:
        self.terms = terms
        self.idf = idf
        self.longest = longest
        self._terms = _Terms(terms, longest)
        self._sublinear = _sublinear(16)  # extended when a text repeats a term more often

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.terms)

    def vocabulary_coverage(self, tokens: Sequence[str]) -> float:
        """Return the share of ``tokens``, 0–1, that are terms of one token; 0 if there are no tokens."""
        return self._terms.count_known(tokens) / len(tokens) if tokens else 0.0

    def transform(self, texts: Iterable[Sequence[str]]) -> Rows:
        """Return one row for each text, given as its tokens. The row of a text without known terms is empty."""
        tokens: list[str | None] = []
        lengths = []
        for text in texts:
            tokens += text
            tokens.append(None)  # a separator: no n-gram spans two texts
            lengths.append(len(text) + 1)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        # One sort for all rows: column c of row i is encoded as i · width + c.
        found = [(column, owner[: len(column)]) for column in self._terms.find(tokens)]
        entries = np.concatenate([(column + row * self.width)[column >= 0] for column, row in found])
        entries, counts = _unique_counts(entries)
        rows, columns = np.divmod(entries, max(self.width, 1))
        values = self._weigh(columns, counts)
        # bincount adds the values in order, as transform_one does, so the sums are bit-identical.
        norms = np.sqrt(np.bincount(rows, values * values, minlength=len(lengths)))
        ends = np.cumsum(np.bincount(rows, minlength=len(lengths)))
        indptr = np.concatenate(([0], ends)).astype(np.int32)
        return Rows(indptr, columns.astype(np.int32), values / norms[rows])

    def transform_one(self, tokens: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the columns, ascending, and the values of one text.

        They are bit-identical to the row that ``transform`` returns, and cheaper for a single text.
        """
        entries = np.concatenate(self._terms.find(tokens))
        columns, counts = _unique_counts(entries[entries >= 0])
        values = self._weigh(columns, counts)
        if len(values):
            values /= math.sqrt((values * values).cumsum()[-1])
        return columns, values

    def occurrences(self, tokens: Sequence[str]) -> Iterator[Occurrence]:
        """Yield every occurrence of a term in ``tokens``."""
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
    """Finds the terms in a sequence of tokens, all n-grams of one size at a time.

    Each term has a number, its column. A prefix of a term that is no term itself has a number too, from the number of
    terms on. A sorted table maps the number of an n-gram and the number of the following token to the number of the
    longer n-gram. No n-gram is built as a string, and forked workers share the table: the reference counts of a
    ``dict`` would cause its pages to be copied.
    """

    def __init__(self, terms: Sequence[str], longest: int) -> None:
        self._longest = longest
        self._count = len(terms)
        numbers = {term: column for column, term in enumerate(terms)}
        for term in terms:
            head, _, token = term.rpartition(" ")
            if head and (head not in numbers or token not in numbers):
                _number_prefixes(term, numbers)
        self._base = len(numbers) + 1  # so that the number of an unknown token, -1, matches no entry
        self._tokens: dict[str | None, int] = {}
        runs, longer = [], []
        for run, number in numbers.items():
            head, _, token = run.rpartition(" ")
            if head:
                runs.append(numbers[head] * self._base + numbers[token])
                longer.append(number)
            else:
                self._tokens[run] = number
        # New int objects in adjacent memory: each lookup changes a reference count, and a forked worker then copies the
        # page of the object.
        self._tokens = dict(zip(self._tokens, np.array([*self._tokens.values()], np.int64).tolist(), strict=True))
        # Tokens that are no terms themselves; usually there are none.
        self._non_terms = {token for token, number in self._tokens.items() if number >= self._count}
        # The last entry is a sentinel that matches nothing: a search never ends beyond the table.
        table = np.array([*runs, np.iinfo(np.int64).max])
        order = table.argsort()
        self._runs = table[order]
        self._longer = np.array([*longer, -1])[order]

    def find(self, tokens: Sequence[str | None]) -> list[NDArray[np.int64]]:
        """Return one array for each n-gram size: the column of the term that starts at each token, or -1."""
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

    def count_known(self, tokens: Sequence[str]) -> int:
        """Return how many of ``tokens`` are terms of one token."""
        known = sum(map(self._tokens.__contains__, tokens))
        return known - sum(map(self._non_terms.__contains__, tokens)) if self._non_terms else known


def _number_prefixes(term: str, numbers: dict[str, int]) -> None:
    """Assign numbers to the tokens and prefixes of ``term`` that are no terms themselves."""
    head, _, token = term.rpartition(" ")
    if head:
        numbers.setdefault(token, len(numbers))
        if head not in numbers:
            numbers[head] = len(numbers)
            _number_prefixes(head, numbers)


def _unique_counts(entries: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct entries, ascending, and the count of each; sorts ``entries`` in place.

    It equals ``np.unique(entries, return_counts=True)`` at a third of the cost for the few entries of one text.
    """
    entries.sort()
    changes = np.ones(len(entries) + 1, bool)
    np.not_equal(entries[1:], entries[:-1], out=changes[1:-1])
    bounds = changes.nonzero()[0]
    return entries[bounds[:-1]], bounds[1:] - bounds[:-1]


def _sublinear(highest: int) -> NDArray[np.float64]:
    return np.array([0.0, *(1.0 + math.log(count) for count in range(1, highest + 1))])
