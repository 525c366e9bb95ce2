"""Reads the lexicon: one CSV file a part of speech, one row a sense of a word.

Columns:

========== ================================================================================================
word       the word in its most usual spelling, in dictionary form
reading    its reading in hiragana; empty for emoji, kaomoji and marks
pos        part of speech, one of ``PARTS_OF_SPEECH``; it decides how the word is conjugated
stars      the stars, 1.0 to 5.0, of a review that consists of this word
nouns      subjects for which this sense holds, separated by ``|``; empty where it holds for all
particle   the particle between such a noun and the word; empty for が
form       what the word is used with, separated by ``|``: だ, する, とする, ている …; empty for the usual forms
domain     the domain in which the sense holds; empty for all
spellings  other spellings, separated by ``|``
note       否定なし for a word whose negation is unusual or unclear
========== ================================================================================================
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from review_training.command import CommandError

COLUMNS = ("word", "reading", "pos", "stars", "nouns", "particle", "form", "domain", "spellings", "note")
PARTS_OF_SPEECH = (
    *("形容詞", "形容動詞", "動詞五段", "動詞一段", "動詞サ変", "動詞カ変", "名詞", "副詞"),
    *("慣用句", "俗語", "方言", "感動詞", "絵文字", "顔文字", "記号"),
)
NO_NEGATION = "否定なし"


class LexiconError(CommandError):
    """A lexicon that cannot be read; the message names the file, the line and what would be right."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sense of a word. ``stars`` is 1.0 to 5.0; ``nouns`` is empty where the sense holds for any subject."""

    word: str
    pos: str
    stars: float
    nouns: tuple[str, ...] = ()
    particle: str = "が"
    forms: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    negatable: bool = True


def read(directory: Path) -> Iterator[Entry]:
    """Yield the entries of every ``*.csv`` in ``directory``, in the order of the files' names.

    Raises ``LexiconError`` for a file without the columns, and for a row that is no entry.
    """
    paths = sorted(directory.glob("*.csv"))
    if not paths:
        raise LexiconError(f"{directory} has no CSV file; name a directory such as train-corpus/lexicon")
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise LexiconError(f"{path}: the columns must be {','.join(COLUMNS)}")
            for row in reader:
                try:
                    yield _entry(row)
                except ValueError as error:
                    raise LexiconError(f"{path}, line {reader.line_num}: {error}") from None


def _entry(row: dict[str, str]) -> Entry:
    if not row["word"]:
        raise ValueError("the word is empty")
    if row["pos"] not in PARTS_OF_SPEECH:
        raise ValueError(f"pos is {row['pos']!r}; it must be one of {', '.join(PARTS_OF_SPEECH)}")
    try:
        stars = float(row["stars"])
    except ValueError:
        stars = 0.0
    if not 1 <= stars <= 5:
        raise ValueError(f"stars is {row['stars']!r}; it must be a number from 1.0 to 5.0")
    return Entry(
        word=row["word"],
        pos=row["pos"],
        stars=stars,
        nouns=_split(row["nouns"]),
        particle=row["particle"] or "が",
        forms=_split(row["form"]),
        spellings=_split(row["spellings"]),
        negatable=row["note"] != NO_NEGATION,
    )


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)
