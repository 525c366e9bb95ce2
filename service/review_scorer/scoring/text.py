"""Validates texts and normalises them for the tokeniser."""

import re
import unicodedata
from typing import NewType

from review_scorer.scoring.errors import TextError

NORMALISATION = "nfkc-lower-space-marks"
"""Name of the normalisation rules below. A bundle stores it, and is refused if it was trained with other rules."""

RUN_OF_MARKS = re.compile(r"([!?。])\1+")
LAST_STOP = re.compile(r" ?。$")


ScorableText = NewType("ScorableText", str)
"""A text that passed ``check``."""


def normalise(text: str) -> str:
    """Return ``text`` in NFKC and lower case, with collapsed white space and marks and no final full stop.

    NFKC maps half-width kana, full-width Latin and compatibility characters (㌔, ①) to their ordinary forms, so that
    all spellings of a word share one token. Line breaks have no meaning for the tokeniser. The final full stop carries
    no information about the rating, and the number of repeated marks carries little; a run of marks would only be
    another unknown token.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return LAST_STOP.sub("", RUN_OF_MARKS.sub(r"\1", folded)) or folded


def check(text: str, *, max_chars: int) -> ScorableText:
    """Return ``text`` if it can be scored; raise ``TextError`` if not.

    ``max_chars`` is in Unicode code points of the text before normalisation.
    """
    if len(text) > max_chars:
        raise TextError("text_too_long", f"the text has {len(text):,} characters; at most {max_chars:,} are scored")
    if not text or text.isspace():
        raise TextError("text_empty", "the text is empty or blank; send at least one visible character")
    # MeCab reads C strings: it would silently ignore the text after a NUL.
    if "\0" in text:
        raise TextError(
            "text_nul", f"the text has a NUL character (U+0000) at position {text.index(chr(0))}; remove it"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextError(
            "text_surrogate",
            f"the text has half of a surrogate pair (U+{ord(text[error.start]):04X}) at position {error.start}; "
            "send the whole character",
        ) from None
    return ScorableText(text)
