"""Counts the reviews that each term of a vocabulary occurs in, and sums their stars."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_training.corpus.tokenized_corpus import Positions, ShardSelection, Stars, TokenizedCorpus
from review_training.model.vectorize import load_selected_rows
from review_training.shards.map_shards import Mapper, map_serially
from review_training.shards.store import Store


class TermSupport(NamedTuple):
    """For each term the number of reviews that it occurs in, and the sum of their stars."""

    reviews: NDArray[np.int64]
    stars: Stars


def count_term_support(
    corpus: TokenizedCorpus, scope: str, positions: Positions, map_shards: Mapper = map_serially
) -> TermSupport:
    """Return the support of each term of the fit under ``scope`` among the corpus' reviews at ``positions``."""
    width = len(corpus.store.load(f"{scope}vocabulary", "ends")[0])
    reviews, stars = np.zeros(width, np.int64), np.zeros(width)
    for part in map_shards(partial(_count_in_shard, corpus.store, scope, width), corpus.select(positions), "support"):
        reviews += part.reviews
        stars += part.stars
    return TermSupport(reviews, stars)


def _count_in_shard(store: Store, scope: str, width: int, selection: ShardSelection) -> TermSupport:
    rows = load_selected_rows(store, scope, selection)
    stars = np.repeat(store.load(selection.shard, "stars")[0][selection.mask], np.diff(rows.indptr))
    counts = np.bincount(rows.indices, minlength=width).astype(np.int64)
    sums = np.bincount(rows.indices, stars, minlength=width).astype(np.float64)
    return TermSupport(counts, sums)
