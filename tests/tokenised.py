"""Corpora of tokens for tests, made of reviews without a file between."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from corpora import Corpus, open_corpus
from reading import write_shard
from store import Store
from tokenising import Words, tokenise

from service.corpus import Review
from service.scoring.tokens import DEFAULT_DICTIONARY


def corpus_of(reviews: Sequence[Review], root: Path, *, shard: int = 20_000) -> Corpus:
    """Return the reviews as a corpus under ``root``, in shards of so many."""
    store, names = Store(str(root)), []
    for start in range(0, len(reviews), shard):
        part = reviews[start : start + shard]
        write_shard(store, f"own-{start}", part)
        names.append(tokenise(store, f"own-{start}", np.ones(len(part), bool), Words(DEFAULT_DICTIONARY)))
    return open_corpus(store, names, [])
