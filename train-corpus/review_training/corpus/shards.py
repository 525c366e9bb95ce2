"""From files to shards of texts: reviews as they were written, without those that came before.

Files are read in batches, small ones together and each on its own where it is large, so that any number of them and any
size of one takes little memory. A small corpus is one shard.
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
from review_training.shards.store import Store, pack, unpack

SHARD = 20_000
"""How many reviews a shard has, unless others are asked for: what a process holds at once."""


def read_batch(
    store: Store, name: str, sources: Sequence[Location], layout: Layout, *, size: int, alone: bool
) -> list[str]:
    """Write the reviews of ``sources`` as shards; return the shards' names, in order.

    ``size`` is that of a shard, in reviews; ``alone`` says that these are all sources there are. Raises ``CorpusError``
    as ``review_scorer.corpora.reviews.rows`` does.
    """
    if not store.has(name):
        rejects: list[Reject] = []
        reviews = _without_rejects(rows(sources, layout, alone=alone), rejects)
        shards = 0
        while shard := list(islice(reviews, size)):
            write_shard(store, f"{name}-{shards}", shard)
            shards += 1
        listed = [json.dumps(astuple(reject)) for reject in rejects]
        store.save(name, shards=np.array(shards), **pack(listed))
    (count,) = store.load(name, "shards")
    return [f"{name}-{number}" for number in range(int(count))]


def rejects_of(store: Store, batch: str) -> list[Reject]:
    """Return the rows of a batch that are no reviews."""
    return [Reject(*json.loads(reject)) for reject in unpack(*store.load(batch, "bytes", "ends"))]


def _without_rejects(read: Iterator[Review | Reject], rejects: list[Reject]) -> Iterator[Review]:
    for item in read:
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


class Digests(NamedTuple):
    """What tells reviews apart, one row a review of all shards: the texts' hashes and the stars."""

    texts: NDArray[np.uint64]
    stars: NDArray[np.float64]
    sizes: list[int]

    def split(self, mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the parts of ``mask`` that belong to each shard."""
        return np.split(mask, np.cumsum(self.sizes)[:-1])


def digests_of(store: Store, shards: Sequence[str]) -> Digests:
    """Return the digests of all reviews of ``shards``, in order."""
    loaded = [store.load(shard, "digests", "stars") for shard in shards]
    if not loaded:
        return Digests(np.empty((0, 2), np.uint64), np.empty(0), [])
    texts, stars = (np.concatenate(column) for column in zip(*loaded, strict=True))
    return Digests(texts, stars, [len(stars) for _, stars in loaded])


def first_of_each(digests: Digests) -> NDArray[np.bool_]:
    """Return which reviews repeat neither text nor stars of one before them."""
    keys = digests.stars, digests.texts[:, 1], digests.texts[:, 0]
    order = np.lexsort(keys)  # stable: of equal ones the first comes first
    new = np.ones(len(order), bool)
    new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    first = np.zeros(len(order), bool)
    first[order[new]] = True
    return first


def texts_not_in(digests: Digests, others: Digests) -> NDArray[np.bool_]:
    """Return which reviews have a text that none of ``others`` has."""
    near = others.texts[np.isin(others.texts[:, 0], digests.texts[:, 0])]
    known = set(map(tuple, near.tolist()))
    return np.array([tuple(text) not in known for text in digests.texts.tolist()], bool)
