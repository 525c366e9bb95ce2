"""Loads a corpus: reads the files, drops duplicates, tokenises the texts."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from review_scorer.corpora.locations import Location
from review_scorer.corpora.reviews import Layout, Reject
from review_training.corpus.shards import (
    ReviewDigests,
    load_digests,
    load_rejects,
    mask_first_occurrences,
    mask_new_texts,
    read_batch,
)
from review_training.corpus.sources import batches, stamp
from review_training.corpus.tokenize import TokenizerSpec, tokenise_shard
from review_training.corpus.tokenized_corpus import ShardSelection, TokenizedCorpus, open_corpus
from review_training.shards.map_shards import Mapper
from review_training.shards.store import Store


class LoadedCorpus(NamedTuple):
    """A corpus, what was left out of it, and the SHA-256 of its reviews in hex."""

    corpus: TokenizedCorpus
    duplicates: int
    rejects: list[Reject]
    fingerprint: str


class _TextShards(NamedTuple):
    """Shards of texts with the reviews to keep, digests of all reviews, and what was left out."""

    selections: list[ShardSelection]
    digests: ReviewDigests
    duplicates: int
    rejects: list[Reject]


def load_corpus(
    store: Store,
    sources: Sequence[Location],
    layout: Layout,
    *,
    seed_corpus_sources: Sequence[Location],
    tokenizer: TokenizerSpec,
    map_shards: Mapper,
    shard_size: int,
) -> LoadedCorpus:
    """Return the reviews of ``sources`` as a corpus, with the reviews of ``seed_corpus_sources`` as its seed corpus.

    Shards hold up to ``shard_size`` reviews. Raises ``CorpusError`` if a single source has no review.
    """
    texts = _read(store, "corpus", sources, layout, map_shards, shard_size)
    # A text of the corpus must not come back through the seed corpus: it would be fitted on while it is held out.
    seed_corpus_texts = _read(
        store, "seed-corpus", seed_corpus_sources, Layout(), map_shards, shard_size, known=texts.digests
    )
    shards, seed_corpus_shards = (_tokenise(store, each, tokenizer, map_shards) for each in (texts, seed_corpus_texts))
    corpus = open_corpus(store, shards, seed_corpus_shards)
    return LoadedCorpus(corpus, texts.duplicates, texts.rejects, _fingerprint(store, shards))


def _read(
    store: Store,
    name: str,
    sources: Sequence[Location],
    layout: Layout,
    map_shards: Mapper,
    shard_size: int,
    *,
    known: ReviewDigests | None = None,
) -> _TextShards:
    """Read ``sources`` into shards, and select the reviews that neither repeat another nor have a text of ``known``."""
    groups = list(batches(sources, [stamp(source) for source in sources]))
    names = [f"{name}-{number}" for number in range(len(groups))]
    read = partial(_read_batch, store, layout, shard_size, len(sources) == 1)
    found = map_shards(read, list(zip(names, groups, strict=True)), "read")
    shards = [shard for batch in found for shard in batch]
    rejects = [reject for batch in names for reject in load_rejects(store, batch)]
    if not store.has(f"{name}-kept"):
        digests = load_digests(store, shards)
        first = mask_first_occurrences(digests)
        keep = first & mask_new_texts(digests, known) if known else first
        sizes = np.array(digests.sizes, np.int64)
        store.save(f"{name}-kept", keep=keep, first=first, texts=digests.texts, stars=digests.stars, sizes=sizes)
    keep, first, texts, stars, sizes = map(
        np.asarray, store.load(f"{name}-kept", "keep", "first", "texts", "stars", "sizes")
    )
    digests = ReviewDigests(texts, stars, sizes.tolist())
    masks = digests.split(keep) if shards else []
    selections = [ShardSelection(*each) for each in zip(shards, masks, strict=True)]
    return _TextShards(selections, digests, int((~first).sum()), rejects)


def _read_batch(
    store: Store,
    layout: Layout,
    shard_size: int,
    alone: bool,  # noqa: FBT001
    batch: tuple[str, list[Location]],
) -> list[str]:
    name, sources = batch
    return read_batch(store, name, sources, layout, size=shard_size, alone=alone)


def _tokenise(store: Store, texts: _TextShards, tokenizer: TokenizerSpec, map_shards: Mapper) -> list[str]:
    selections = [selection for selection in texts.selections if selection.mask.any()]
    return list(map_shards(partial(_tokenise_shard, store, tokenizer), selections, "tokenise"))


def _tokenise_shard(store: Store, tokenizer: TokenizerSpec, selection: ShardSelection) -> str:
    shard, mask = selection
    return tokenise_shard(store, shard, mask, tokenizer)


def _fingerprint(store: Store, shards: Sequence[str]) -> str:
    """Return the SHA-256, in hex, over all reviews in order; over the shards' own where there are several."""
    digests = [store.load(shard, "digest")[0].tobytes() for shard in shards]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
