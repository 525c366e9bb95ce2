"""Personal data that a text may hold, by its shape: e-mail addresses, telephone and card numbers.

Names and postal addresses have no shape and are left. Where a number could as well be something else, what decides is
which of the two is usual in reviews: dates, prices, postcodes, article codes and model numbers stay.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

# What people type for a hyphen between digits: hyphens and dashes of all sorts, minus, the long-vowel marks, box lines.
_HYPHENS = "‐‑‒–—―−ー─━ｰ"
# Each stands for one character, so that places in the folded text are places in the text.
_FOLDED = str.maketrans(
    {
        **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        0x3000: " ",
        **dict.fromkeys(map(ord, _HYPHENS), "-"),
    }
)

# Bounded, as the standards are (RFC 5321, section 4.5.3.1): else a long run of letters would take a second.
_EMAIL = re.compile(
    r"[a-z0-9_][a-z0-9._%+-]{0,63}@(?:[a-z0-9][a-z0-9-]{0,62}\.){1,9}[a-z]{2,24}", re.IGNORECASE | re.ASCII
)
# Groups of four, or four-six-four and four-six-five, apart or not; the first digits are those that cards have.
_FOURS = r"(?<![\d.,])(?=[2-6])\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"
_LONG_CARD = re.compile(rf"{_FOURS}[ -]?\d{{1,3}}(?!\d)", re.ASCII)
# What follows may be when it ends, or its check digits.
_CARD = re.compile(rf"(?:{_FOURS}|(?<![\d.,])(?=[2-6])\d{{4}}[ -]?\d{{6}}[ -]?\d{{4,5}})(?!\d)", re.ASCII)
# Not within a longer number, a postcode or a model number (X-03…, 03…A), but right after "tel".
_CALLED = r"(?<=tel)|(?<=fax)|(?<=tel[.-])|(?<=fax[.-])"
_START = rf"(?:{_CALLED}|(?<![a-z0-9〒])(?<![a-z0-9][._-])(?<![a-z]#))"
_END = r"(?![a-z0-9]|[._-][a-z0-9])"
_JAPANESE = re.compile(
    rf"{_START}(?:\(0\d{{1,4}}\)|0\d{{1,4}})[ .(-]{{0,2}}\d{{1,4}}[ .)-]{{0,2}}\d{{3,4}}{_END}",
    re.IGNORECASE | re.ASCII,
)
_INTERNATIONAL = re.compile(
    rf"(?:{_CALLED}|(?<![a-z0-9]))\+[1-9](?:[ .()-]{{0,2}}\d){{9,14}}{_END}", re.IGNORECASE | re.ASCII
)

# Mobile and internet telephones, and free calls, have eleven digits; all others ten, the second of which is no zero.
_ELEVEN = re.compile(r"(?:0[5-9]0|0800)\d+")


class _Kind(NamedTuple):
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool]
    mask: str


def mask(text: str) -> str:
    """Return ``text`` with ``[EMAIL]``, ``[CARD]`` and ``[PHONE]`` in the place of what looks like one."""
    for kind in _KINDS:
        folded = text.translate(_FOLDED)
        parts = []
        at = end = 0
        while found := kind.pattern.search(folded, at):
            at = found.start() + 1  # what is none may hide the beginning of one
            if kind.is_one(found[0]):
                parts += [text[end : found.start()], kind.mask]
                at = end = found.end()
        text = "".join([*parts, text[end:]])
    return text


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def _is_card(text: str) -> bool:
    """Whether the last digit is right by Luhn's rule (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(_digits(text))]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_japanese(text: str) -> bool:
    digits = _digits(text)
    if _ELEVEN.match(digits):
        return len(digits) == 11
    return len(digits) == 10 and digits[1] != "0"


_KINDS = (
    _Kind(_EMAIL, bool, "[EMAIL]"),
    _Kind(_LONG_CARD, _is_card, "[CARD]"),
    _Kind(_CARD, _is_card, "[CARD]"),
    _Kind(_INTERNATIONAL, bool, "[PHONE]"),
    _Kind(_JAPANESE, _is_japanese, "[PHONE]"),
)
