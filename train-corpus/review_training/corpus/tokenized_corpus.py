"""A tokenised corpus: shards of tokens in a store, and the stars and groups of all reviews in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_training.shards.store import Store, unpack

Stars = NDArray[np.float64]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]


class ShardSelection(NamedTuple):
    """A shard's name, and a mask of the reviews that are selected from it."""

    shard: str
    mask: Mask


@dataclass(frozen=True)
class TokenizedCorpus:
    """Rated reviews in shards of tokens, and those of the seed corpus, which only help; all in the same ``store``.

    ``stars`` of shape ``(n,)``, ``groups`` (all empty without groups) and ``sizes``, the reviews in each shard, are
    those of the corpus; ``seed_corpus_stars`` those of the seed corpus. A position is an index into ``stars``.
    """

    store: Store
    shards: Sequence[str]
    seed_corpus_shards: Sequence[str]
    stars: Stars
    groups: Sequence[str]
    seed_corpus_stars: Stars
    sizes: Sequence[int]

    def select(self, positions: Positions) -> list[ShardSelection]:
        """Return, for every shard of the corpus, which of its reviews are at ``positions``."""
        mask = np.zeros(len(self.stars), bool)
        mask[positions] = True
        masks = np.split(mask, np.cumsum(self.sizes)[:-1])
        return [ShardSelection(*each) for each in zip(self.shards, masks, strict=True)]

    @property
    def has_groups(self) -> bool:
        """Whether any review has a group."""
        return any(self.groups)

    @property
    def independent_units(self) -> int:
        """The most parts that the reviews can be split into: the number of groups, or of reviews without groups."""
        return len(set(self.groups)) if self.has_groups else len(self.stars)


def open_corpus(store: Store, shards: Sequence[str], seed_corpus_shards: Sequence[str]) -> TokenizedCorpus:
    """Return the corpus of these shards of tokens."""
    stars = [np.array(store.load(shard, "stars")[0]) for shard in shards]
    seed_corpus_stars = [np.array(store.load(shard, "stars")[0]) for shard in seed_corpus_shards]
    return TokenizedCorpus(
        store=store,
        shards=tuple(shards),
        seed_corpus_shards=tuple(seed_corpus_shards),
        stars=np.concatenate([np.empty(0), *stars]),
        groups=[group for shard in shards for group in unpack(*store.load(shard, "group_bytes", "group_ends"))],
        seed_corpus_stars=np.concatenate([np.empty(0), *seed_corpus_stars]),
        sizes=tuple(map(len, stars)),
    )
