"""Generates rated texts from lexicon entries: forms, negations, degrees, subjects and spellings of each word."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from review_training.lexicon.conjugation import Forms, adjectival_noun, adjective, noun, verb
from review_training.lexicon.entries import Entry

NEUTRAL = 3.0
_STRONG = ("とても", "すごく", "本当に", "かなり", "めっちゃ", "非常に", "超")
_WEAK = ("少し", "ちょっと", "やや")
_SUBJECT_PARTICLES = ("が", "は", "も")
# What stands before an emoji or a kaomoji, by the side of its feeling.
_PRAISE, _BLAME = ("良い", "最高", "おいしい", "買ってよかった"), ("悪い", "最悪", "まずい", "残念")
# More subjects add rows, but hardly any new words.
_MOST_NOUNS = 3


class RatedText(NamedTuple):
    """A generated text with its stars, 1.0 to 5.0, and the word that it was generated from."""

    stars: float
    text: str
    word: str


def generate(entries: Iterable[Entry]) -> Iterator[RatedText]:
    """Yield the texts of all entries, each text once. The same entries give the same texts in the same order."""
    seen: set[str] = set()
    for entry in entries:
        for stars, text in _texts(entry):
            if text not in seen:
                seen.add(text)
                yield RatedText(round(min(max(stars, 1.0), 5.0), 2), text, entry.word)


def negated(stars: float) -> float:
    """Return the stars of the negation of a word: weaker than the opposite, as 悪くない praises less than 良い."""
    return NEUTRAL - 0.6 * (stars - NEUTRAL) if stars > NEUTRAL else NEUTRAL + 0.55 * (NEUTRAL - stars)


def intensified(stars: float) -> float:
    """Return the stars of a word after とても."""
    return stars + 0.25 if stars > NEUTRAL else stars - 0.2


def softened(stars: float) -> float:
    """Return the stars of a word after 少し."""
    return NEUTRAL + 0.55 * (stars - NEUTRAL)


def _texts(entry: Entry) -> Iterator[tuple[float, str]]:
    for spelling in (entry.word, *entry.spellings):
        forms = _forms(entry, spelling)
        if forms is None:
            continue
        usual = spelling == entry.word
        yield from ((entry.stars, form) for form in (forms.affirmative if usual else forms.affirmative[:4]))
        if entry.negatable:
            yield from ((negated(entry.stars), form) for form in (forms.negated if usual else forms.negated[:2]))
        yield from ((min(entry.stars, 4.5), form) for form in (forms.excessive if usual else forms.excessive[:1]))
        if entry.pos in {"形容詞", "形容動詞", "動詞サ変"}:
            strong = _pick(_STRONG, spelling, 2 if usual else 1)
            yield from ((intensified(entry.stars), degree + forms.affirmative[0]) for degree in strong)
            if usual:
                yield softened(entry.stars), _pick(_WEAK, spelling, 1)[0] + forms.affirmative[0]
        if usual:
            yield from _with_nouns(entry, forms)
            if entry.pos in {"絵文字", "顔文字"}:
                yield from _after_words(entry.stars, spelling)


def _forms(entry: Entry, spelling: str) -> Forms | None:
    """Return the forms of a spelling; None for one that is not conjugated as the entry's part of speech is."""
    forms: Forms | None = Forms([spelling], [], [])
    if entry.pos == "形容詞" and spelling.endswith("い"):
        forms = adjective(spelling)
    elif entry.pos == "形容動詞":
        forms = adjectival_noun(spelling)
    elif entry.pos == "名詞":
        forms = noun(spelling)
    elif entry.pos == "副詞":
        forms = _adverb(spelling, entry.forms)
    elif entry.pos.startswith("動詞"):
        forms = _verb(entry, spelling)
    return forms


def _verb(entry: Entry, spelling: str) -> Forms | None:
    if entry.pos != "動詞サ変" and spelling[-1] != entry.word[-1]:
        return None
    forms = verb(spelling, entry.pos)
    if "ている" in entry.forms:
        return forms._replace(affirmative=[form for form in forms.affirmative if form[-2:-1] not in {"た", "だ"}])
    return forms


def _adverb(word: str, used_with: Sequence[str]) -> Forms:
    affirmative: list[str] = []
    negations: list[str] = []
    for ending in used_with or ("だ",):
        if ending == "だ":
            affirmative += [word, f"{word}です", f"{word}でした", f"{word}だった"]
            negations += [f"{word}ではない", f"{word}じゃない"]
        elif ending == "する":
            affirmative += [word, f"{word}する", f"{word}した", f"{word}しました", f"{word}している"]
            negations += [f"{word}しない", f"{word}しなかった"]
        else:
            affirmative.append(word + ending)
    return Forms(affirmative, negations, [])


def _with_nouns(entry: Entry, forms: Forms) -> Iterator[tuple[float, str]]:
    for place, subject in enumerate(entry.nouns[:_MOST_NOUNS]):
        particle = entry.particle if entry.particle != "が" else _SUBJECT_PARTICLES[place]
        finite = [form for form in forms.affirmative if not form.endswith(("く", "な", "て", "で"))]
        yield from ((entry.stars, subject + particle + form) for form in finite[:3])
        if entry.negatable and forms.negated:
            yield negated(entry.stars), f"{subject}は{forms.negated[place % len(forms.negated)]}"


def _after_words(stars: float, mark: str) -> Iterator[tuple[float, str]]:
    """Yield a mark after plain words of its own side; their stars and its meet in the middle."""
    if stars > 3.2:
        yield from (((stars + 4.6) / 2, word + mark) for word in _PRAISE)
    elif stars < 2.8:
        yield from (((stars + 1.5) / 2, word + mark) for word in _BLAME)


def _pick(choices: Sequence[str], key: str, count: int) -> list[str]:
    """Return ``count`` of ``choices``, always the same for a key."""
    start = zlib.crc32(key.encode())
    return [choices[(start + step) % len(choices)] for step in range(count)]
