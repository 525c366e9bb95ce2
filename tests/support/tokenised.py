"""Tokenised corpora for tests, created from reviews without a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from review_scorer.corpora.reviews import Review
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_training.corpus.shards import write_shard
from review_training.corpus.tokenize import TokenizerSpec, tokenise
from review_training.corpus.tokenized_corpus import Corpus, open_corpus
from review_training.shards.store import Store


def corpus_of(reviews: Sequence[Review], root: Path, *, shard: int = 20_000) -> Corpus:
    """Return the reviews as a corpus under ``root``, in shards of ``shard`` reviews."""
    store, names = Store(str(root)), []
    for start in range(0, len(reviews), shard):
        part = reviews[start : start + shard]
        write_shard(store, f"own-{start}", part)
        names.append(tokenise(store, f"own-{start}", np.ones(len(part), bool), TokenizerSpec(DEFAULT_DICTIONARY)))
    return open_corpus(store, names, [])
