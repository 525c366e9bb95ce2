"""Shards of texts become shards of tokens: each review a run of integers, which index the shard's list of words."""

import hashlib
import json
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import compress, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.text import normalise
from review_scorer.scoring.tokens import Tokenizer
from review_training.corpus.tokenized_corpus import Mask
from review_training.shards.store import Store, pack, unpack


class TokenizerSpec(NamedTuple):
    """The paths of a tokenizer's dictionaries. It can be pickled to other processes, which a tokenizer cannot."""

    dictionary: Path
    user_dictionary: Path | None = None

    def tokenizer(self) -> Tokenizer:
        """Return this process' tokenizer."""
        return _tokenizer(self)


@cache
def _tokenizer(spec: TokenizerSpec) -> Tokenizer:
    return Tokenizer(spec.dictionary, user_dictionary=spec.user_dictionary)


def tokenise_shard(store: Store, shard: str, mask: Mask, spec: TokenizerSpec) -> str:
    """Write the tokens of the reviews of ``shard`` that ``mask`` selects; return the name of the new shard.

    The shard of texts is then removed.
    """
    name = f"{shard}-tokens"
    if store.has(name):
        return name
    content, ends, all_stars, group_bytes, group_ends = store.load(
        shard, "bytes", "ends", "stars", "group_bytes", "group_ends"
    )
    texts = list(compress(unpack(content, ends), mask))
    groups = list(compress(unpack(group_bytes, group_ends), mask))
    stars = all_stars[mask]
    ids, numbers = array("i"), _WordNumbers()
    lengths = []
    tokenizer = spec.tokenizer()
    for text in texts:
        tokens = tokenizer(normalise(text))
        ids.extend(map(numbers.__getitem__, tokens))
        lengths.append(len(tokens))
    packed_groups, lexicon = pack(groups), pack(list(numbers))
    store.save(
        name,
        ids=np.array(ids, np.int32),
        starts=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        lexicon_bytes=lexicon["bytes"],
        lexicon_ends=lexicon["ends"],
        stars=stars,
        group_bytes=packed_groups["bytes"],
        group_ends=packed_groups["ends"],
        characters=np.array([len(text) for text in texts], np.int64),
        digest=np.frombuffer(digest_reviews(stars.tolist(), texts, groups), np.uint8),
    )
    store.remove(shard)
    return name


class _WordNumbers(dict[str, int]):
    """Numbers words in the order of their first occurrence."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def digest_reviews(stars: Sequence[float], texts: Sequence[str], groups: Sequence[str]) -> bytes:
    """Return the SHA-256 over the reviews in order."""
    digest = hashlib.sha256()
    for review in zip(stars, texts, groups, strict=True):
        digest.update(json.dumps(review).encode() + b"\n")
    return digest.digest()


class TokenShard(NamedTuple):
    """The tokens of some reviews: those of review ``i`` are ``lexicon[ids[starts[i]:starts[i + 1]]]``."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lexicon: list[str]

    def tokens(self) -> list[list[str]]:
        """Return the tokens of each review."""
        words = list(map(self.lexicon.__getitem__, self.ids.tolist()))
        return [words[start:end] for start, end in pairwise(self.starts.tolist())]

    def owners(self) -> NDArray[np.int64]:
        """Return the number of the review that each token belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def load_shard(store: Store, name: str) -> TokenShard:
    """Return a shard of tokens."""
    ids, starts, content, ends = store.load(name, "ids", "starts", "lexicon_bytes", "lexicon_ends")
    return TokenShard(ids, starts, unpack(content, ends))
