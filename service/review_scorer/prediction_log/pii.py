"""Masks personal data in a text by pattern: e-mail addresses, telephone numbers and card numbers.

Names and postal addresses have no pattern and stay. An ambiguous number is read as what is more common in reviews:
dates, prices, postcodes, article codes and model numbers stay.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

# Characters typed as a hyphen between digits: hyphens, dashes, minus, long vowel marks, box drawing lines.
_HYPHENS = "‐‑‒–—―−ー─━ｰ"
# Each replaces one character by one, so offsets in the normalized text are offsets in the text.
_NORMALIZED = str.maketrans(
    {
        **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        0x3000: " ",
        **dict.fromkeys(map(ord, _HYPHENS), "-"),
    }
)

# Lengths are limited as in RFC 5321, section 4.5.3.1; without limits a long run of letters takes a second.
_EMAIL = re.compile(
    r"[a-z0-9_][a-z0-9._%+-]{0,63}@(?:[a-z0-9][a-z0-9-]{0,62}\.){1,9}[a-z]{2,24}", re.IGNORECASE | re.ASCII
)
# Card numbers: four groups of four digits, or 4-6-4 and 4-6-5, with or without separators. The first digit is 2 to 6.
_FOURS = r"(?<![\d.,])(?=[2-6])\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"
_LONG_CARD = re.compile(rf"{_FOURS}[ -]?\d{{1,3}}(?!\d)", re.ASCII)
# Digits may follow after a space: the expiry date or the security code.
_CARD = re.compile(rf"(?:{_FOURS}|(?<![\d.,])(?=[2-6])\d{{4}}[ -]?\d{{6}}[ -]?\d{{4,5}})(?!\d)", re.ASCII)
# Telephone numbers: not in a longer number, a postcode or a model number (X-03…, 03…A), but right after "tel".
_AFTER_LABEL = r"(?<=tel)|(?<=fax)|(?<=tel[.-])|(?<=fax[.-])"
_START = rf"(?:{_AFTER_LABEL}|(?<![a-z0-9〒])(?<![a-z0-9][._-])(?<![a-z]#))"
_END = r"(?![a-z0-9]|[._-][a-z0-9])"
_JAPANESE = re.compile(
    rf"{_START}(?:\(0\d{{1,4}}\)|0\d{{1,4}})[ .(-]{{0,2}}\d{{1,4}}[ .)-]{{0,2}}\d{{3,4}}{_END}",
    re.IGNORECASE | re.ASCII,
)
_INTERNATIONAL = re.compile(
    rf"(?:{_AFTER_LABEL}|(?<![a-z0-9]))\+[1-9](?:[ .()-]{{0,2}}\d){{9,14}}{_END}", re.IGNORECASE | re.ASCII
)

# Mobile, IP and 0800 numbers have eleven digits; all others have ten, and their second digit is not 0.
_ELEVEN_DIGITS = re.compile(r"(?:0[5-9]0|0800)\d+")


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]
    placeholder: str


def mask(text: str) -> str:
    """Return ``text`` with e-mail addresses, card and telephone numbers as ``[EMAIL]``, ``[CARD]`` and ``[PHONE]``."""
    for rule in _RULES:
        normalized = text.translate(_NORMALIZED)
        parts = []
        start = end = 0
        while found := rule.pattern.search(normalized, start):
            start = found.start() + 1  # an invalid match may overlap a valid one
            if rule.is_valid(found[0]):
                parts += [text[end : found.start()], rule.placeholder]
                start = end = found.end()
        text = "".join([*parts, text[end:]])
    return text


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def _is_card(text: str) -> bool:
    """Return whether the check digit is correct by the Luhn algorithm (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(_digits(text))]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_japanese(text: str) -> bool:
    digits = _digits(text)
    if _ELEVEN_DIGITS.match(digits):
        return len(digits) == 11
    return len(digits) == 10 and digits[1] != "0"


_RULES = (
    _Rule(_EMAIL, bool, "[EMAIL]"),
    _Rule(_LONG_CARD, _is_card, "[CARD]"),
    _Rule(_CARD, _is_card, "[CARD]"),
    _Rule(_INTERNATIONAL, bool, "[PHONE]"),
    _Rule(_JAPANESE, _is_japanese, "[PHONE]"),
)
