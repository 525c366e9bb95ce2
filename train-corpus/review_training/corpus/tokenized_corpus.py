"""A corpus that was read and tokenised: what is on disk, and the little that is held of each review."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_training.shards.store import Store, unpack

Stars = NDArray[np.float64]
Positions = NDArray[np.int64]


class Part(NamedTuple):
    """Some of a shard's reviews: the shard's name, where it begins among all, and which of its reviews are meant."""

    shard: str
    start: int
    chosen: NDArray[np.bool_]


@dataclass(frozen=True)
class Corpus:
    """Rated reviews in shards of tokens, ``own`` and those of the prior, which helps; all in the same ``store``.

    ``stars`` of shape ``(n,)`` and ``groups`` (all empty: nothing belongs together) are of the own reviews.
    """

    store: Store
    own: Sequence[str]
    prior: Sequence[str]
    stars: Stars
    groups: Sequence[str]
    prior_stars: Stars
    sizes: Sequence[int] = field(default=())

    def parts(self, positions: Positions) -> list[Part]:
        """Return, for every shard of its own, which of its reviews are at ``positions``."""
        mask = np.zeros(len(self.stars), bool)
        mask[positions] = True
        starts = np.cumsum([0, *self.sizes])
        return [
            Part(shard, int(start), mask[start:end])
            for shard, start, end in zip(self.own, starts[:-1], starts[1:], strict=True)
        ]


def open_corpus(store: Store, own: Sequence[str], prior: Sequence[str]) -> Corpus:
    """Return the corpus of these shards of tokens."""
    stars = [np.array(store.load(shard, "stars")[0]) for shard in own]
    groups = [group for shard in own for group in unpack(*store.load(shard, "group_bytes", "group_ends"))]
    prior_stars = [np.array(store.load(shard, "stars")[0]) for shard in prior]
    return Corpus(
        store,
        tuple(own),
        tuple(prior),
        np.concatenate([np.empty(0), *stars]),
        groups if any(groups) else [""] * len(groups),
        np.concatenate([np.empty(0), *prior_stars]),
        tuple(map(len, stars)),
    )
