"""Which terms the vocabulary holds: document frequencies of n-grams, counted shard by shard and merged exactly.

Words have one number in all shards, and a run of up to three words is one 63-bit integer: so counting is sorting, and
merging goes over ranges of those integers, each small enough to hold.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.corpora.errors import CorpusError
from review_training.corpus.tokenize import load_shard
from review_training.model.recipe import Recipe
from review_training.shards.store import Store, pack, unpack

_BITS = 21
_MOST_WORDS = 2**_BITS - 1
"""Of more different words, the most frequent are counted."""
LONGEST = 3
_RANGE = 4_000_000
"""How many counts are merged at once; a process takes about 100 bytes for each."""

Keys = NDArray[np.int64]
Counts = NDArray[np.int64]


def number_words(store: Store, shards: Sequence[str], recipe: Recipe) -> None:
    """Give every word that may be part of a term its number in all ``shards``, from 1 on; 0 is any other word."""
    if store.has("words"):
        return
    counter: Counter[str] = Counter()
    for name in shards:
        shard = load_shard(store, name)
        owner = np.repeat(np.arange(len(shard.starts) - 1), np.diff(shard.starts))
        words, _ = np.divmod(np.unique(shard.ids.astype(np.int64) * len(shard.starts) + owner), len(shard.starts))
        counter.update(dict(zip(shard.lexicon, np.bincount(words, minlength=len(shard.lexicon)).tolist(), strict=True)))
    # A term stands in no more reviews than each of its words.
    known = sorted((-count, word) for word, count in counter.items() if count >= recipe.min_document_frequency)
    words_in_order = [word for _, word in known[:_MOST_WORDS]]
    del counter, known
    numbers = {word: number for number, word in enumerate(words_in_order, 1)}
    for name in shards:
        local = [numbers.get(word, 0) for word in load_shard(store, name).lexicon]
        store.save(f"{name}-numbers", numbers=np.array(local, np.int64))
    store.save("words", **pack(words_in_order))


def count(store: Store, shard: str, scope: str, used: NDArray[np.bool_] | None, longest: int) -> str:
    """Write in how many of the reviews of a shard each n-gram stands; return the name of the counts.

    ``used`` says which reviews count; None is all of them.
    """
    name = f"{scope}{shard}-counts"
    if not store.has(name):
        ids, starts = store.load(shard, "ids", "starts")
        (numbers,) = store.load(f"{shard}-numbers", "numbers")
        owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        words = numbers[ids] if len(ids) else np.empty(0, np.int64)
        if used is not None:
            words, owner = words[used[owner]], owner[used[owner]]
        keys, counts = document_frequencies(words, owner, longest)
        store.save(name, keys=keys, counts=counts)
    return name


def document_frequencies(words: Keys, owner: NDArray[np.int64], longest: int) -> tuple[Keys, Counts]:
    """Return the n-grams of ``words``, ascending, and in how many texts each stands; ``owner`` is each word's text."""
    keys, owners = [], []
    for size in range(1, longest + 1):
        last = len(words) - size + 1
        if last < 1:
            break
        parts = [words[at : at + last] for at in range(size)]
        whole = (owner[:last] == owner[size - 1 :]) & np.all([part > 0 for part in parts], axis=0)
        keys.append(sum(part[whole] << _BITS * (LONGEST - 1 - at) for at, part in enumerate(parts)))
        owners.append(owner[:last][whole])
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key, text = np.concatenate(keys), np.concatenate(owners)
    order = key.argsort(kind="stable")  # texts stay ascending for each n-gram: equal pairs become neighbours
    key, text = key[order], text[order]
    first_in_text = np.ones(len(key), bool)
    first_in_text[1:] = (key[1:] != key[:-1]) | (text[1:] != text[:-1])
    return _sum_runs(key[first_in_text], None)


def _sum_runs(keys: Keys, counts: Counts | None) -> tuple[Keys, Counts]:
    """Return the different ``keys``, which are sorted, and the sum of each one's ``counts``, None being ones."""
    if not len(keys):
        return keys, np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    sums = np.diff(starts, append=len(keys)) if counts is None else np.add.reduceat(counts, starts)
    return keys[starts], sums


class Range(NamedTuple):
    """N-grams from ``low`` on, before ``high``."""

    low: int
    high: int


def ranges(store: Store, counted: Sequence[str]) -> list[Range]:
    """Return ranges that hold about as many counts each, few enough to merge at once."""
    every = 1_000
    loaded = [store.load(name, "keys")[0] for name in counted]
    total = sum(map(len, loaded))
    pieces = 1 + total // _RANGE
    sample = np.sort(np.concatenate([keys[::every] for keys in loaded]))
    bounds = sorted(set(sample[np.linspace(0, len(sample) - 1, pieces + 1).astype(int)[1:-1]].tolist()))
    return [Range(low, high) for low, high in pairwise([0, *bounds, 2**63 - 1])]


def merge(store: Store, counted: Sequence[str], between: Range, recipe: Recipe) -> tuple[Keys, Counts]:
    """Return the n-grams of a range that may be terms, with their document frequencies over all shards."""
    keys, counts = [], []
    for name in counted:
        own_keys, own_counts = store.load(name, "keys", "counts")
        part = slice(*np.searchsorted(own_keys, between))
        keys.append(own_keys[part])
        counts.append(own_counts[part])
    key, number = np.concatenate(keys), np.concatenate(counts)
    order = key.argsort(kind="stable")
    return _most_frequent(*_sum_runs(key[order], number[order]), recipe)


def _most_frequent(keys: Keys, counts: Counts, recipe: Recipe) -> tuple[Keys, Counts]:
    """Return those that may be among the ``max_terms`` most frequent, ties included."""
    least = recipe.min_document_frequency
    if len(counts) > recipe.max_terms:
        least = max(least, int(np.partition(counts, -recipe.max_terms)[-recipe.max_terms]))
    return keys[counts >= least], counts[counts >= least]


def vocabulary(
    store: Store, merged: Sequence[tuple[Keys, Counts]], recipe: Recipe
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the terms, the most frequent first and equal ones in the order of their text; and their frequencies.

    Raises ``CorpusError`` when there is no term.
    """
    found, frequencies = (np.concatenate([part[column] for part in merged]) for column in (0, 1))
    keys, counts = _most_frequent(found, frequencies, recipe)
    words = ["", *unpack(*store.load("words", "bytes", "ends"))]
    parts = [(keys >> _BITS * (LONGEST - 1 - at)) & _MOST_WORDS for at in range(LONGEST)]
    terms = [" ".join(words[part] for part in term if part) for term in zip(*(p.tolist() for p in parts), strict=True)]
    kept = sorted(zip((-counts).tolist(), terms, strict=True))[: recipe.max_terms]
    if not kept:
        raise CorpusError(
            f"no term of the corpus stands in {recipe.min_document_frequency} of its reviews: there are too few of them"
        )
    return [term for _, term in kept], np.array([-frequency for frequency, _ in kept])
