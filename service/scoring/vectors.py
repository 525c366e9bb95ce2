"""Words into numbers: TF-IDF over word n-grams.

The weights are scikit-learn's ``TfidfVectorizer(sublinear_tf=True, norm="l2")``: for a term that stands ``n``
times in a text, ``(1 + ln n) · idf``, each text's vector scaled to length one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


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
        self._trie = _trie(terms)
        self._idf = idf.tolist()
        self._words = frozenset(term for term in terms if " " not in term)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.terms)

    def known_share(self, tokens: Sequence[str]) -> float:
        """Return the share of the tokens, 0–1, that are terms by themselves; 0 where there is no token."""
        return sum(map(self._words.__contains__, tokens)) / len(tokens) if tokens else 0.0

    def transform(self, texts: Iterable[Sequence[str]]) -> Rows:
        """Return one row for each text, given as its tokens. A text of unknown words is an empty row."""
        indptr, indices, counts = [0], [], []
        for tokens in texts:
            found = self._count(tokens)
            columns = sorted(found)
            indices += columns
            counts += [found[column] for column in columns]
            indptr.append(len(indices))
        starts = np.array(indptr, np.int32)
        columns_array = np.array(indices, np.int32)
        sublinear = np.array([_sublinear(count) for count in range(max(counts, default=0) + 1)])
        values = sublinear[np.array(counts, np.int32)] * self.idf[columns_array]
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        # bincount adds one value after the other, as transform_one does: the sums are equal to the last bit.
        norms = np.sqrt(np.bincount(rows, values * values, minlength=len(starts) - 1))
        return Rows(starts, columns_array, values / norms[rows])

    def transform_one(self, tokens: Sequence[str]) -> tuple[list[int], list[float]]:
        """Return the columns, ascending, and values of one text: what ``transform`` returns, without its arrays."""
        found = self._count(tokens)
        columns = sorted(found)
        idf = self._idf
        values = []
        total = 0.0
        for column in columns:
            value = _sublinear(found[column]) * idf[column]
            total += value * value
            values.append(value)
        norm = math.sqrt(total)
        return columns, [value / norm for value in values]

    def _count(self, tokens: Sequence[str]) -> dict[int, int]:
        """Return how often each known term stands in ``tokens``, by column."""
        found: dict[int, int] = {}
        trie = self._trie
        longest = self.longest
        for start, token in enumerate(tokens):
            node = trie.get(token)
            if node is None:
                continue
            column, children = node
            if column >= 0:
                found[column] = found.get(column, 0) + 1
            for following in tokens[start + 1 : start + longest]:
                if children is None or (node := children.get(following)) is None:
                    break
                column, children = node
                if column >= 0:
                    found[column] = found.get(column, 0) + 1
        return found


def _sublinear(count: int) -> float:
    return 1.0 + math.log(count) if count > 1 else float(count)


_Trie = dict[str, tuple[int, "_Trie | None"]]


def _trie(terms: Sequence[str]) -> _Trie:
    """Return the terms as a tree of tokens, each node its term's column (-1: only the start of terms) and children.

    A walk stops at the first token that continues no term, so most n-grams of a text are never built.
    """
    root: dict[str, Any] = {}
    for column, term in enumerate(terms):
        level = root
        for token in term.split(" "):
            level = level.setdefault(token, {})
        level[""] = column  # no token is empty
    return _nodes(root)


def _nodes(level: dict[str, Any]) -> _Trie:
    return {
        token: (below.get("", -1), _nodes(below) if len(below) > ("" in below) else None)
        for token, below in level.items()
        if token
    }
