"""Character offsets of a normalised text in its source.

``align`` applies the steps of ``text.normalise`` and records the source of every character. The text is split into
chunks that normalise independently: NFKC has a boundary before each character that never composes with the preceding
ones (UAX #15). An emoji sequence is one chunk, so that no offset lies within a visible symbol.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from review_scorer.scoring.text import LAST_STOP, RUN_OF_MARKS

_JOINER = "\u200d"
_WHITE_SPACE = re.compile(r"\s+")


class Aligned(NamedTuple):
    """A normalised text; its character ``i`` comes from ``source[starts[i]:ends[i]]``. Neither list ever decreases."""

    text: str
    starts: list[int]
    ends: list[int]


def align(text: str) -> Aligned:
    """Return ``normalise(text)`` with the offset in ``text``, in code points, of each of its characters."""
    spaced = _fold_runs(_fold(text), _WHITE_SPACE, " ")
    first = spaced.text.startswith(" ")
    folded = _slice(spaced, first, len(spaced.text) - spaced.text.endswith(" "))
    marked = _fold_runs(folded, RUN_OF_MARKS, r"\1")
    length = len(LAST_STOP.sub("", marked.text))
    return _slice(marked, 0, length) if length else folded


def _fold(text: str) -> Aligned:
    """Return ``text`` in NFKC and lower case."""
    folded = unicodedata.normalize("NFKC", text).lower()
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _chunks(text):
        # Lower case may depend on the neighbours (a Σ at the end of a word), but its length does not.
        count = sum(map(_lower_length, unicodedata.normalize("NFKC", text[start:end])))
        starts += [start] * count
        ends += [end] * count
    if len(starts) != len(folded):
        # A Unicode version with compositions unknown to `_joins`: one chunk for the whole text is coarse but correct.
        return Aligned(folded, [0] * len(folded), [len(text)] * len(folded))
    return Aligned(folded, starts, ends)


def _chunks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each chunk of ``text`` that normalises independently of its neighbours."""
    start = 0
    for position in range(1, len(text)):
        before, character = text[position - 1], text[position]
        flag = position - start == 1 and _is_flag_letter(before) and _is_flag_letter(character)
        if not (flag or before == _JOINER or _joins(character)):
            yield start, position
            start = position
    if text:
        yield start, len(text)


@lru_cache(maxsize=8192)
def _joins(character: str) -> bool:
    """Whether ``character`` may compose with, or be reordered among, the preceding ones, or modifies an emoji.

    This holds for combining marks and for the vowels and final consonants of Hangul. A compatibility character behaves
    like the first character of its decomposition.
    """
    first = unicodedata.normalize("NFKD", character)[0]
    mark = unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"
    return mark or first == _JOINER or "\U0001f3fb" <= first <= "\U0001f3ff" or "\U000e0020" <= first <= "\U000e007f"


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


@lru_cache(maxsize=8192)
def _lower_length(character: str) -> int:
    return len(character.lower())


def _fold_runs(aligned: Aligned, runs: re.Pattern[str], replacement: str) -> Aligned:
    """Return ``aligned`` with each match of ``runs`` replaced by the one character of ``replacement``."""
    text, starts, ends = aligned
    kept_starts: list[int] = []
    kept_ends: list[int] = []
    done = 0
    for run in runs.finditer(text):
        kept_starts += starts[done : run.start() + 1]
        kept_ends += ends[done : run.start()]
        kept_ends.append(ends[run.end() - 1])
        done = run.end()
    return Aligned(runs.sub(replacement, text), kept_starts + starts[done:], kept_ends + ends[done:])


def _slice(aligned: Aligned, first: int, last: int) -> Aligned:
    return Aligned(aligned.text[first:last], aligned.starts[first:last], aligned.ends[first:last])
