"""Conjugates Japanese predicates: the forms in which reviews use an evaluative word.

Reference: the inflection tables of school grammar (学校文法の活用表).
"""

from typing import NamedTuple

# Ending of the dictionary form: stems for ない and ます, て form, past.
_GODAN = {
    "う": ("わ", "い", "って", "った"),
    "く": ("か", "き", "いて", "いた"),
    "ぐ": ("が", "ぎ", "いで", "いだ"),
    "す": ("さ", "し", "して", "した"),
    "つ": ("た", "ち", "って", "った"),
    "ぬ": ("な", "に", "んで", "んだ"),
    "ぶ": ("ば", "び", "んで", "んだ"),
    "む": ("ま", "み", "んで", "んだ"),
    "る": ("ら", "り", "って", "った"),
}
_NEGATED_ADJECTIVE = ("ない", "なかった", "ないです", "ありません", "ありませんでした")


class Forms(NamedTuple):
    """Forms of one word, each list with the most usual form first."""

    affirmative: list[str]
    negated: list[str]
    excessive: list[str]


def adjective(word: str) -> Forms:
    """Return the forms of an i-adjective (形容詞) in dictionary form, such as 汚い."""
    stem = f"{word[:-2]}よ" if word.endswith("いい") else word[:-1]
    affirmative = [word, f"{stem}かった", f"{word}です", f"{stem}くて", f"{stem}かったです", f"{stem}く"]
    negated = [f"{stem}く{ending}" for ending in _NEGATED_ADJECTIVE]
    # The ない of 申し分ない belongs to the word; its negation would be another word.
    lexical = word.endswith(("ない", "無い"))
    return Forms(affirmative, [] if lexical else negated, [] if lexical else [f"{stem}すぎる", f"{stem}すぎました"])


def adjectival_noun(word: str) -> Forms:
    """Return the forms of a na-adjective (形容動詞), given without だ, such as 快適."""
    forms = noun(word)
    return forms._replace(
        affirmative=[*forms.affirmative, f"{word}で", f"{word}な"], excessive=[f"{word}すぎる", f"{word}すぎました"]
    )


def noun(word: str) -> Forms:
    """Return the forms of a noun that is used as a predicate, such as 期待外れ."""
    affirmative = [word, f"{word}です", f"{word}だった", f"{word}でした", f"{word}だ"]
    negated = [f"{word}ではない", f"{word}じゃない", f"{word}ではありません", f"{word}じゃなかった"]
    return Forms(affirmative, negated, [])


def verb(word: str, pos: str) -> Forms:
    """Return the forms of a verb in dictionary form; of a noun with する where ``pos`` is 動詞サ変."""
    if pos == "動詞サ変":
        return _suru(word)
    negative, polite, te, past = _stems(word, pos)
    affirmative = [past, word, f"{te}いる", f"{polite}ました", f"{polite}ます", f"{te}いました", te]
    negated = [f"{negative}ない", f"{negative}なかった", f"{polite}ません", f"{polite}ませんでした", f"{te}いない"]
    return Forms(affirmative, negated, [f"{polite}すぎる"])


def _suru(word: str) -> Forms:
    affirmative = [
        f"{word}した",
        word,
        f"{word}する",
        f"{word}している",
        f"{word}しました",
        f"{word}です",
        f"{word}でした",
    ]
    affirmative += [f"{word}できた", f"{word}できました"]
    negated = [f"{word}しない", f"{word}しなかった", f"{word}していない", f"{word}しません", f"{word}はない"]
    negated += [f"{word}できない", f"{word}できなかった", f"{word}できません", f"{word}できませんでした"]
    return Forms(affirmative, negated, [f"{word}しすぎる"])


def _stems(word: str, pos: str) -> tuple[str, str, str, str]:
    stem = word[:-1]
    if pos == "動詞一段":
        return stem, stem, f"{stem}て", f"{stem}た"
    if pos == "動詞カ変":
        head, (negative, polite) = word[:-2], ("来", "来") if word.endswith("来る") else ("こ", "き")
        return head + negative, head + polite, f"{head}{polite}て", f"{head}{polite}た"
    negative, polite, te, past = _GODAN[word[-1]]
    if word.endswith(("行く", "いく")):
        te, past = "って", "った"
    return stem + negative, stem + polite, stem + te, stem + past
