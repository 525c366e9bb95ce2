"""Selects the terms of the vocabulary: counts document frequencies of n-grams by shard, and merges them exactly.

Each word has one number in all shards, and a run of up to three words is one 63-bit integer. Counting is therefore
sorting, and merging goes over ranges of those integers, each small enough for memory.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.corpora.errors import CorpusError
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Mask
from review_training.model.recipe import Recipe
from review_training.shards.store import Store, pack, unpack

_BITS = 21
_MOST_WORDS = 2**_BITS - 1
"""The most different words that are counted, the most frequent first."""
_LONGEST = 3
_COUNTS_IN_RANGE = 4_000_000
"""About how many counts are merged at once; a process takes about 100 bytes for each."""

NgramKeys = NDArray[np.int64]
Frequencies = NDArray[np.int64]


def number_words(store: Store, shards: Sequence[str], recipe: Recipe) -> None:
    """Give each word that may be part of a term one number in all ``shards``, from 1 on; 0 is any other word."""
    if store.has("words"):
        return
    counter: Counter[str] = Counter()
    for name in shards:
        shard = load_shard(store, name)
        count = len(shard.starts)
        words, _ = np.divmod(np.unique(shard.ids.astype(np.int64) * count + shard.owners()), count)
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


def count_ngrams(store: Store, shard: str, scope: str, mask: Mask | None, longest: int) -> str:
    """Write the document frequency of each n-gram in a shard; return the name of the counts.

    ``mask`` selects the reviews that count; None is all of them.
    """
    name = f"{scope}{shard}-counts"
    if not store.has(name):
        ids, starts = store.load(shard, "ids", "starts")
        (numbers,) = store.load(f"{shard}-numbers", "numbers")
        owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        words = numbers[ids] if len(ids) else np.empty(0, np.int64)
        if mask is not None:
            words, owners = words[mask[owners]], owners[mask[owners]]
        keys, frequencies = document_frequencies(words, owners, longest)
        store.save(name, keys=keys, frequencies=frequencies)
    return name


def document_frequencies(
    words: NDArray[np.int64], owners: NDArray[np.int64], longest: int
) -> tuple[NgramKeys, Frequencies]:
    """Return the n-grams of ``words``, ascending, and how many texts each is in; ``owners`` are the words' texts."""
    keys, texts = [], []
    for size in range(1, longest + 1):
        last = len(words) - size + 1
        if last < 1:
            break
        columns = [words[at : at + last] for at in range(size)]
        whole = (owners[:last] == owners[size - 1 :]) & np.all([column > 0 for column in columns], axis=0)
        keys.append(sum(column[whole] << _BITS * (_LONGEST - 1 - at) for at, column in enumerate(columns)))
        texts.append(owners[:last][whole])
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key, text = np.concatenate(keys), np.concatenate(texts)
    order = key.argsort(kind="stable")  # texts stay ascending for each n-gram: equal pairs become neighbours
    key, text = key[order], text[order]
    first_in_text = np.ones(len(key), bool)
    first_in_text[1:] = (key[1:] != key[:-1]) | (text[1:] != text[:-1])
    return _sum_runs(key[first_in_text], None)


def _sum_runs(keys: NgramKeys, frequencies: Frequencies | None) -> tuple[NgramKeys, Frequencies]:
    """Return the distinct ``keys``, which are sorted, and the sum of each one's ``frequencies``; None means ones."""
    if not len(keys):
        return keys, np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    lengths = np.diff(starts, append=len(keys))
    return keys[starts], lengths if frequencies is None else np.add.reduceat(frequencies, starts)


class KeyRange(NamedTuple):
    """The n-grams from ``low`` on, before ``high``."""

    low: int
    high: int


def split_key_range(store: Store, counted: Sequence[str]) -> list[KeyRange]:
    """Return ranges that hold about as many counts each, few enough to merge at once."""
    every = 1_000
    loaded = [store.load(name, "keys")[0] for name in counted]
    total = sum(map(len, loaded))
    pieces = 1 + total // _COUNTS_IN_RANGE
    sample = np.sort(np.concatenate([keys[::every] for keys in loaded]))
    bounds = sorted(set(sample[np.linspace(0, len(sample) - 1, pieces + 1).astype(int)[1:-1]].tolist()))
    return [KeyRange(low, high) for low, high in pairwise([0, *bounds, 2**63 - 1])]


def merge_counts(
    store: Store, counted: Sequence[str], key_range: KeyRange, recipe: Recipe
) -> tuple[NgramKeys, Frequencies]:
    """Return the n-grams of a range that may be terms, with their document frequencies over all shards."""
    keys, frequencies = [], []
    for name in counted:
        shard_keys, shard_frequencies = store.load(name, "keys", "frequencies")
        within = slice(*np.searchsorted(shard_keys, key_range))
        keys.append(shard_keys[within])
        frequencies.append(shard_frequencies[within])
    key, frequency = np.concatenate(keys), np.concatenate(frequencies)
    order = key.argsort(kind="stable")
    return _most_frequent(*_sum_runs(key[order], frequency[order]), recipe)


def _most_frequent(keys: NgramKeys, frequencies: Frequencies, recipe: Recipe) -> tuple[NgramKeys, Frequencies]:
    """Return the n-grams that may be among the ``max_terms`` most frequent, ties included."""
    least = recipe.min_document_frequency
    if len(frequencies) > recipe.max_terms:
        least = max(least, int(np.partition(frequencies, -recipe.max_terms)[-recipe.max_terms]))
    return keys[frequencies >= least], frequencies[frequencies >= least]


def select_terms(
    store: Store, merged: Sequence[tuple[NgramKeys, Frequencies]], recipe: Recipe
) -> tuple[list[str], Frequencies]:
    """Return the terms, the most frequent first and ties in the order of their text; and their document frequencies.

    Raises ``CorpusError`` when there is no term.
    """
    all_keys, all_frequencies = (np.concatenate([part[column] for part in merged]) for column in (0, 1))
    keys, frequencies = _most_frequent(all_keys, all_frequencies, recipe)
    words = ["", *unpack(*store.load("words", "bytes", "ends"))]
    columns = [((keys >> _BITS * (_LONGEST - 1 - at)) & _MOST_WORDS).tolist() for at in range(_LONGEST)]
    terms = [" ".join(words[number] for number in term if number) for term in zip(*columns, strict=True)]
    kept = sorted(zip((-frequencies).tolist(), terms, strict=True))[: recipe.max_terms]
    if not kept:
        raise CorpusError(
            f"the corpus is too small: no term occurs in {recipe.min_document_frequency} of its reviews or more"
        )
    return [term for _, term in kept], np.array([-frequency for frequency, _ in kept])
