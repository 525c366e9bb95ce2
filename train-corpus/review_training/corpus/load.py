"""From files to a corpus of tokens in a store: read, drop what repeats, tokenise."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.corpora.locations import Location
from review_scorer.corpora.reviews import Layout, Reject
from review_training.corpus.shards import (
    SHARD,
    Digests,
    digests_of,
    first_of_each,
    read_batch,
    rejects_of,
    texts_not_in,
)
from review_training.corpus.sources import batches, stamp
from review_training.corpus.tokenize import TokenizerSpec, tokenise
from review_training.corpus.tokenized_corpus import Corpus, open_corpus
from review_training.shards.map_shards import Mapper
from review_training.shards.store import Store


class Gathered(NamedTuple):
    """The corpus, and what was left out of it."""

    corpus: Corpus
    duplicates: int
    rejects: list[Reject]
    fingerprint: str


class _Kept(NamedTuple):
    """Shards of texts, and which of their reviews are kept."""

    shards: list[str]
    keep: list[NDArray[np.bool_]]
    digests: Digests
    duplicates: int
    rejects: list[Reject]


def gather(
    store: Store,
    sources: Sequence[Location],
    layout: Layout,
    *,
    prior: Sequence[Location],
    words: TokenizerSpec,
    spread: Mapper,
    shard: int = SHARD,
) -> Gathered:
    """Return the reviews of ``sources`` as a corpus; its prior are those of ``prior`` that it does not hold itself."""
    own = _keep(store, "own", sources, layout, spread, shard)
    # A review of the corpus itself may not come back through the prior: it would be fitted on while it is held out.
    helping = _keep(store, "prior", prior, Layout(), spread, shard, without=own.digests)
    own_shards, prior_shards = (_tokenise(store, kept, words, spread) for kept in (own, helping))
    corpus = open_corpus(store, own_shards, prior_shards)
    return Gathered(corpus, own.duplicates, own.rejects, _fingerprint(store, own_shards))


def _keep(
    store: Store,
    name: str,
    sources: Sequence[Location],
    layout: Layout,
    spread: Mapper,
    shard: int,
    *,
    without: Digests | None = None,
) -> _Kept:
    groups = list(batches(sources, [stamp(source) for source in sources]))
    names = [f"{name}-{number}" for number in range(len(groups))]
    read = partial(_read, store, layout, shard, len(sources) == 1)
    shards = [each for found in spread(read, list(zip(names, groups, strict=True)), "read") for each in found]
    rejects = [reject for batch in names for reject in rejects_of(store, batch)]
    if not store.has(f"{name}-kept"):
        digests = digests_of(store, shards)
        first = first_of_each(digests)
        keep = first & texts_not_in(digests, without) if without else first
        sizes = np.array(digests.sizes, np.int64)
        store.save(f"{name}-kept", keep=keep, first=first, texts=digests.texts, stars=digests.stars, sizes=sizes)
    keep, first, texts, stars, sizes = map(
        np.asarray, store.load(f"{name}-kept", "keep", "first", "texts", "stars", "sizes")
    )
    digests = Digests(texts, stars, sizes.tolist())
    return _Kept(shards, digests.split(keep) if shards else [], digests, int((~first).sum()), rejects)


def _read(store: Store, layout: Layout, shard: int, alone: bool, batch: tuple[str, list[Location]]) -> list[str]:  # noqa: FBT001
    name, sources = batch
    return read_batch(store, name, sources, layout, size=shard, alone=alone)


def _tokenise(store: Store, kept: _Kept, words: TokenizerSpec, spread: Mapper) -> list[str]:
    shards = [(shard, keep) for shard, keep in zip(kept.shards, kept.keep, strict=True) if keep.any()]
    return list(spread(partial(_tokenise_one, store, words), shards, "tokenise"))


def _tokenise_one(store: Store, words: TokenizerSpec, shard: tuple[str, NDArray[np.bool_]]) -> str:
    return tokenise(store, *shard, words)


def _fingerprint(store: Store, shards: Sequence[str]) -> str:
    """Return the sha256, in hex, over all reviews in order; over the shards' own where there are several."""
    digests = [store.load(shard, "digest")[0].tobytes() for shard in shards]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
