"""Finds which column of a table holds the text, by its usual names."""

import unicodedata
from collections.abc import Sequence

from review_scorer.tables.errors import FileError

TEXT_COLUMNS = ("texts", "text", "review_body", "review", "body", "comment")
STARS_COLUMNS = ("points", "point", "stars", "star_rating", "rating", "score")

ADDED = ("score", "interval_low", "interval_high", "error")
"""What is added to each row."""

# What people call it besides, as on the page.
_JAPANESE = ("レビュー", "レビュー本文", "本文", "口コミ", "クチコミ", "コメント", "感想", "内容", "文章")
_USUAL = (*TEXT_COLUMNS, *_JAPANESE)
_NAMED = 20


def printable(text: str) -> str:
    """Return the first 60 characters of ``text`` on one line, fit for a UTF-8 file."""
    return " ".join(text[:60].encode(errors="backslashreplace").decode().split()).replace("\0", "")


class Columns:
    """Finds the text among the columns, by the name ``text`` or, where that is empty, by its usual names.

    ``prefix`` stands before the names of the columns that are added.
    """

    def __init__(self, *, text: str = "", prefix: str = "") -> None:
        self.added = tuple(prefix + name for name in ADDED)
        self._text = text
        self._wanted = (text,) if text else _USUAL

    def text_of(self, names: Sequence[str]) -> int:
        """Return which of ``names`` is the text's; raise ``FileError`` if none is, or one is taken by what is added."""
        for name in names:
            if name in self.added:
                reason = f"the file has a column {name} already; ask for others with a prefix, such as predicted_"
                raise FileError("column_conflict", reason)
        if self._text and self._text in names:
            return names.index(self._text)
        folded = [_folded(name) for name in names]
        for wanted in self._wanted:
            if wanted in folded:
                return folded.index(wanted)
        listed = ", ".join(printable(name) for name in names[:_NAMED])
        raise FileError(
            "text_column_missing",
            f"the file has no column {self._text or 'for the text'}; it has {listed or 'none'}"
            + ("" if self._text else f", and looked for were {', '.join(TEXT_COLUMNS)}; say which it is"),
        )


def check_unlike(names: Sequence[str], form: str) -> None:
    """Raise ``FileError`` where two columns have one name, which ``form`` cannot have."""
    for name in names:
        if names.count(name) > 1:
            raise FileError("column_conflict", f"two columns are named {name!r}, which {form} cannot have; rename one")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lower()
