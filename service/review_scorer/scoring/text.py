"""What a text must be, and the one form in which the rest of the chain sees it."""

import re
import unicodedata

from review_scorer.scoring.errors import TextError

NORMALISATION = "nfkc-lower-space-marks"
"""Name of the rules below; stored in a bundle, so that a bundle made under other rules is refused."""

RUN_OF_MARKS = re.compile(r"([!?。])\1+")
LAST_STOP = re.compile(r" ?。$")


def normalise(text: str) -> str:
    """Return ``text`` in NFKC and lower case, runs of white space and of marks as one, without a full stop at its end.

    Half-width kana, full-width Latin and compatibility characters (㌔, ①) fold into their ordinary forms, so that
    the ways of typing one word share one token. Line breaks carry no meaning for the tokeniser. Whether the last full
    stop is typed says nothing, and how often a mark is repeated says little; a run would be one more unknown word.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return LAST_STOP.sub("", RUN_OF_MARKS.sub(r"\1", folded)) or folded


def check(text: str, *, max_chars: int) -> None:
    """Raise ``TextError`` unless ``text`` can be scored.

    ``max_chars`` counts Unicode code points of the text as sent.
    """
    if len(text) > max_chars:
        raise TextError("text_too_long", f"the text has {len(text):,} characters; at most {max_chars:,} are scored")
    if not text or text.isspace():
        raise TextError("text_empty", "the text is empty or blank; send at least one visible character")
    # MeCab reads C strings: it would silently score only what stands before the NUL.
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
