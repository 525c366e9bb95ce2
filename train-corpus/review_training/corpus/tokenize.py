"""From shards of texts to shards of tokens: a review is a run of numbers, a number a word of the shard's own list."""

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
from review_training.shards.store import Store, pack, unpack


class TokenizerSpec(NamedTuple):
    """How texts are cut: the paths of the dictionaries. It can be sent to another process, which a tokenizer cannot."""

    dictionary: Path
    user_dictionary: Path | None = None

    def tokenizer(self) -> Tokenizer:
        """Return this process' tokenizer."""
        return _tokenizer(self)


@cache
def _tokenizer(words: TokenizerSpec) -> Tokenizer:
    return Tokenizer(words.dictionary, user_dictionary=words.user_dictionary)


def tokenise(store: Store, shard: str, keep: NDArray[np.bool_], words: TokenizerSpec) -> str:
    """Write the tokens of the reviews of ``shard`` that are to be kept; return the name of the new shard.

    The texts are not needed any more then, and removed.
    """
    name = f"{shard}-tokens"
    if store.has(name):
        return name
    content, ends, stars, group_bytes, group_ends = store.load(
        shard, "bytes", "ends", "stars", "group_bytes", "group_ends"
    )
    texts = list(compress(unpack(content, ends), keep))
    groups = list(compress(unpack(group_bytes, group_ends), keep))
    kept = stars[keep]
    tokens, numbers = array("i"), _Numbers()
    lengths = []
    tokenizer = words.tokenizer()
    for text in texts:
        found = tokenizer(normalise(text))
        tokens.extend(map(numbers.__getitem__, found))
        lengths.append(len(found))
    packed_groups, lexicon = pack(groups), pack(list(numbers))
    store.save(
        name,
        ids=np.array(tokens, np.int32),
        starts=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        lexicon_bytes=lexicon["bytes"],
        lexicon_ends=lexicon["ends"],
        stars=kept,
        group_bytes=packed_groups["bytes"],
        group_ends=packed_groups["ends"],
        characters=np.array([len(text) for text in texts], np.int64),
        digest=np.frombuffer(fingerprint(kept.tolist(), texts, groups), np.uint8),
    )
    store.remove(shard)
    return name


class _Numbers(dict[str, int]):
    """Numbers words in the order in which they come."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def fingerprint(stars: Sequence[float], texts: Sequence[str], groups: Sequence[str]) -> bytes:
    """Return the sha256 over reviews in order."""
    digest = hashlib.sha256()
    for review in zip(stars, texts, groups, strict=True):
        digest.update(json.dumps(review).encode() + b"\n")
    return digest.digest()


class Shard(NamedTuple):
    """The tokens of some reviews: review ``i`` is ``lexicon[ids[starts[i]:starts[i + 1]]]``."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lexicon: list[str]

    def tokens(self) -> list[list[str]]:
        """Return the tokens of each review."""
        words = list(map(self.lexicon.__getitem__, self.ids.tolist()))
        return [words[start:end] for start, end in pairwise(self.starts.tolist())]


def load_shard(store: Store, name: str) -> Shard:
    """Return a shard of tokens."""
    ids, starts, content, ends = store.load(name, "ids", "starts", "lexicon_bytes", "lexicon_ends")
    return Shard(ids, starts, unpack(content, ends))
