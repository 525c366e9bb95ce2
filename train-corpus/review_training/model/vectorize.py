"""From shards of tokens to blocks of TF-IDF rows on disk, by the vectoriser that serving uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from review_scorer.scoring.scorer import boosted_rows
from review_scorer.scoring.vectors import Rows, Vectorizer
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Corpus, Part, Positions, Stars
from review_training.shards.store import Store, unpack


@lru_cache(maxsize=1)
def load_vectorizer(root: str, name: str) -> Vectorizer:
    """Return the vocabulary ``name`` of the store at ``root``; a process keeps the last one."""
    content, ends, weights, longest = Store(root).load(name, "bytes", "ends", "weights", "longest")
    return Vectorizer(unpack(content, ends), np.array(weights), longest=int(longest))


def vectorise(store: Store, shard: str, scope: str) -> str:
    """Write the rows of all reviews of a shard; return the name of the block."""
    name = f"{scope}{shard}-rows"
    if not store.has(name):
        vectorizer = load_vectorizer(store.root, f"{scope}vocabulary")
        store.save(name, **vectorizer.transform(load_shard(store, shard).tokens())._asdict())
    return name


def load_rows(store: Store, block: str) -> Rows:
    """Return a block's rows."""
    return Rows(*map(np.asarray, store.load(block, *Rows._fields)))


def as_matrix(rows: Rows, width: int) -> csr_matrix:
    """Return ``rows`` as SciPy's sparse matrix, for the libraries that train."""
    return csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(rows.indptr) - 1, width))


def take(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """Return those of the rows that are chosen."""
    if chosen.all():
        return rows
    lengths = np.diff(rows.indptr)
    entries = np.repeat(chosen, lengths)
    indptr = np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int32)
    return Rows(indptr, rows.indices[entries], rows.values[entries])


def own_rows(corpus: Corpus, scope: str, positions: Positions) -> Iterator[Rows]:
    """Yield the rows of the reviews at ``positions``, which ascend, shard by shard."""
    for part in corpus.parts(positions):
        yield take(load_rows(corpus.store, f"{scope}{part.shard}-rows"), part.chosen)


class BoosterInput(NamedTuple):
    """The rows that the trees see, a block at a time: the first ``width - 1`` columns, then ``start``."""

    corpus: Corpus
    scope: str
    positions: Positions
    start: Stars
    width: int

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows of each block."""
        for part, start in self.parts():
            yield booster_rows(self.corpus.store, self.scope, self.width, part, start)

    def parts(self) -> Iterator[tuple[Part, Stars]]:
        """Yield each shard's reviews, and what the base says of them."""
        first = 0
        for part in self.corpus.parts(self.positions):
            count = int(part.chosen.sum())
            yield part, self.start[first : first + count]
            first += count


def booster_rows(store: Store, scope: str, width: int, part: Part, start: Stars) -> Rows:
    """Return the rows of one block that the trees see."""
    return boosted_rows(take(load_rows(store, f"{scope}{part.shard}-rows"), part.chosen), start, width)


@dataclass(frozen=True)
class BaseBlocks:
    """The blocks that the linear base is fitted on: those of the own shards, then those of the prior.

    Where there is a prior, one more column holds ``origin`` in its rows.
    """

    store: Store
    own: Sequence[str]
    prior: Sequence[str]
    width: int
    origin: float

    def __iter__(self) -> Iterator[csr_matrix]:
        """Yield each own block, mapped: it takes memory only while it is used. The prior is part of the last."""
        for number in range(len(self.own)):
            yield self.load(number)

    def load(self, number: int) -> csr_matrix:
        """Return the own block ``number``."""
        block = as_matrix(load_rows(self.store, self.own[number]), self.width + bool(self.prior))
        return self._with_prior(block) if self.prior and number == len(self.own) - 1 else block

    def _with_prior(self, last: csr_matrix) -> csr_matrix:
        helping = [_with_origin(load_rows(self.store, name), self.width, self.origin) for name in self.prior]
        return vstack((last, *helping)).tocsr()


def _with_origin(rows: Rows, width: int, origin: float) -> csr_matrix:
    count = len(rows.indptr) - 1
    return as_matrix(boosted_rows(rows, np.full(count, origin), width + 1), width + 1)
