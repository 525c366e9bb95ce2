"""Files become shards of texts, and duplicates among their reviews are found by digests.

Files are read in batches, small ones together and large ones alone, so that memory grows neither with their number nor
with their size. A small corpus is one shard.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.corpora.locations import Location
from review_scorer.corpora.reviews import Layout, Reject, Review, rows
from review_training.corpus.tokenized_corpus import Mask, Stars
from review_training.shards.store import Store, pack, unpack

SHARD_SIZE = 20_000
"""The default number of reviews in a shard, which is what a process holds in memory at once."""


def read_batch(
    store: Store, name: str, sources: Sequence[Location], layout: Layout, *, size: int, alone: bool
) -> list[str]:
    """Write the reviews of ``sources`` as shards of ``size`` reviews; return the names of the shards, in order.

    ``alone`` says that the corpus has no other sources. Raises ``CorpusError`` as ``corpora.reviews.rows`` does.
    """
    if not store.has(name):
        rejects: list[Reject] = []
        reviews = _without_rejects(rows(sources, layout, alone=alone), rejects)
        shards = 0
        while shard := list(islice(reviews, size)):
            write_shard(store, f"{name}-{shards}", shard)
            shards += 1
        rows_rejected = [json.dumps(astuple(reject)) for reject in rejects]
        store.save(name, shards=np.array(shards), **pack(rows_rejected))
    (count,) = store.load(name, "shards")
    return [f"{name}-{number}" for number in range(int(count))]


def load_rejects(store: Store, batch: str) -> list[Reject]:
    """Return the rejected rows of a batch."""
    return [Reject(*json.loads(reject)) for reject in unpack(*store.load(batch, "bytes", "ends"))]


def _without_rejects(items: Iterator[Review | Reject], rejects: list[Reject]) -> Iterator[Review]:
    for item in items:
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            yield item


def write_shard(store: Store, name: str, reviews: Sequence[Review]) -> None:
    """Write reviews as a shard of texts."""
    groups = pack([review.group for review in reviews])
    digests = b"".join(blake2b(review.text.encode(), digest_size=16).digest() for review in reviews)
    store.save(
        name,
        **pack([review.text for review in reviews]),
        stars=np.array([review.stars for review in reviews]),
        group_bytes=groups["bytes"],
        group_ends=groups["ends"],
        digests=np.frombuffer(digests, np.uint64).reshape(-1, 2),
    )


class ReviewDigests(NamedTuple):
    """For each review of all shards the hash of its text, shape ``(n, 2)``, and its stars; and the shards' sizes."""

    texts: NDArray[np.uint64]
    stars: Stars
    sizes: list[int]

    def split(self, mask: Mask) -> list[Mask]:
        """Return the parts of ``mask`` that belong to each shard."""
        return np.split(mask, np.cumsum(self.sizes)[:-1])


def load_digests(store: Store, shards: Sequence[str]) -> ReviewDigests:
    """Return the digests of all reviews of ``shards``, in order."""
    loaded = [store.load(shard, "digests", "stars") for shard in shards]
    if not loaded:
        return ReviewDigests(np.empty((0, 2), np.uint64), np.empty(0), [])
    texts, stars = (np.concatenate(column) for column in zip(*loaded, strict=True))
    return ReviewDigests(texts, stars, [len(stars) for _, stars in loaded])


def mask_first_occurrences(digests: ReviewDigests) -> Mask:
    """Return a mask of the reviews that do not repeat both text and stars of an earlier one."""
    keys = digests.stars, digests.texts[:, 1], digests.texts[:, 0]
    order = np.lexsort(keys)  # stable: of equal reviews the first comes first
    new = np.ones(len(order), bool)
    new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    first = np.zeros(len(order), bool)
    first[order[new]] = True
    return first


def mask_new_texts(digests: ReviewDigests, others: ReviewDigests) -> Mask:
    """Return a mask of the reviews whose text none of ``others`` has."""
    candidates = others.texts[np.isin(others.texts[:, 0], digests.texts[:, 0])]
    known = set(map(tuple, candidates.tolist()))
    return np.array([tuple(text) not in known for text in digests.texts.tolist()], bool)
