"""Turns shards of tokens into blocks of TF-IDF rows in the store, with the vectoriser that serving uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, vstack

from review_scorer.scoring.scorer import boosted_rows
from review_scorer.scoring.vectors import Rows, Vectorizer
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Mask, Positions, ShardSelection, Stars, TokenizedCorpus
from review_training.shards.store import Store, unpack


@lru_cache(maxsize=1)
def load_vectorizer(root: str, name: str) -> Vectorizer:
    """Return the vocabulary ``name`` of the store at ``root``; each process caches the last one."""
    content, ends, weights, longest = Store(root).load(name, "bytes", "ends", "weights", "longest")
    return Vectorizer(unpack(content, ends), np.array(weights), longest=int(longest))


def rows_name(scope: str, shard: str) -> str:
    """Return the name in the store of a shard's rows, for the fit under ``scope``."""
    return f"{scope}{shard}-rows"


def vectorise_shard(store: Store, shard: str, scope: str) -> str:
    """Write the rows of all reviews of a shard; return their name."""
    name = rows_name(scope, shard)
    if not store.has(name):
        vectorizer = load_vectorizer(store.root, f"{scope}vocabulary")
        store.save(name, **vectorizer.transform(load_shard(store, shard).tokens())._asdict())
    return name


def load_rows(store: Store, name: str) -> Rows:
    """Return the rows ``name``."""
    return Rows(*map(np.asarray, store.load(name, *Rows._fields)))


def load_selected_rows(store: Store, scope: str, selection: ShardSelection) -> Rows:
    """Return the rows of the selected reviews of a shard."""
    return mask_rows(load_rows(store, rows_name(scope, selection.shard)), selection.mask)


def as_matrix(rows: Rows, width: int) -> csr_matrix:
    """Return ``rows`` as SciPy's sparse matrix, for the libraries that train."""
    return csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(rows.indptr) - 1, width))


def mask_rows(rows: Rows, mask: Mask) -> Rows:
    """Return the rows that ``mask`` selects."""
    if mask.all():
        return rows
    lengths = np.diff(rows.indptr)
    entries = np.repeat(mask, lengths)
    indptr = np.concatenate(([0], np.cumsum(lengths[mask]))).astype(np.int32)
    return Rows(indptr, rows.indices[entries], rows.values[entries])


def iterate_rows(corpus: TokenizedCorpus, scope: str, positions: Positions) -> Iterator[Rows]:
    """Yield the rows of the corpus' reviews at ``positions``, which ascend, shard by shard."""
    for selection in corpus.select(positions):
        yield load_selected_rows(corpus.store, scope, selection)


class BoosterInput(NamedTuple):
    """The rows that the trees see, a block at a time: ``width - 1`` columns of terms, then the base's prediction.

    ``base`` has that prediction for each of ``positions``, in stars.
    """

    corpus: TokenizedCorpus
    scope: str
    positions: Positions
    base: Stars
    width: int

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows of each shard."""
        for selection, base in self.selections():
            yield booster_rows(self.corpus.store, self.scope, self.width, selection, base)

    def selections(self) -> Iterator[tuple[ShardSelection, Stars]]:
        """Yield each shard's reviews, and the base's prediction for them."""
        first = 0
        for selection in self.corpus.select(self.positions):
            count = int(selection.mask.sum())
            yield selection, self.base[first : first + count]
            first += count


def booster_rows(store: Store, scope: str, width: int, selection: ShardSelection, base: Stars) -> Rows:
    """Return the rows of one shard that the trees see."""
    return boosted_rows(load_selected_rows(store, scope, selection), base, width)


@dataclass(frozen=True)
class BaseBlocks:
    """The blocks of rows that the linear base is fitted on, by name: those of the corpus, then of the seed corpus.

    With a seed corpus, one more column holds ``offset`` in its rows, which gives it an intercept of its own.
    """

    store: Store
    names: Sequence[str]
    seed_corpus_names: Sequence[str]
    width: int
    offset: float

    def __iter__(self) -> Iterator[csr_matrix]:
        """Yield each block, memory-mapped. The seed corpus is part of the last one."""
        for number in range(len(self.names)):
            yield self.load(number)

    def load(self, number: int) -> csr_matrix:
        """Return the block ``number``."""
        has_seed_corpus = bool(self.seed_corpus_names)
        block = as_matrix(load_rows(self.store, self.names[number]), self.width + has_seed_corpus)
        return self._with_seed_corpus(block) if has_seed_corpus and number == len(self.names) - 1 else block

    def _with_seed_corpus(self, last: csr_matrix) -> csr_matrix:
        blocks = [_with_offset(load_rows(self.store, name), self.width, self.offset) for name in self.seed_corpus_names]
        return vstack((last, *blocks)).tocsr()


def _with_offset(rows: Rows, width: int, offset: float) -> csr_matrix:
    count = len(rows.indptr) - 1
    return as_matrix(boosted_rows(rows, np.full(count, offset), width + 1), width + 1)
