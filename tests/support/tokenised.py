"""Tokenised corpora for tests, made of reviews without a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from review_scorer.corpora.reviews import Review
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_training.corpus.shards import write_shard
from review_training.corpus.tokenize import TokenizerSpec, tokenise_shard
from review_training.corpus.tokenized_corpus import TokenizedCorpus, open_corpus
from review_training.shards.store import Store


def corpus_of(reviews: Sequence[Review], root: Path, *, shard_size: int = 20_000) -> TokenizedCorpus:
    """Return the reviews as a corpus under ``root``, without a seed corpus."""
    store, names, spec = Store(str(root)), [], TokenizerSpec(DEFAULT_DICTIONARY)
    for start in range(0, len(reviews), shard_size):
        part = reviews[start : start + shard_size]
        write_shard(store, f"corpus-{start}", part)
        names.append(tokenise_shard(store, f"corpus-{start}", np.ones(len(part), bool), spec))
    return open_corpus(store, names, [])
