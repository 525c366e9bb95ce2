"""Finds the text column of a table by its name."""

import unicodedata
from collections.abc import Sequence

from review_scorer.tables.errors import FileError

TEXT_COLUMNS = ("texts", "text", "review_body", "review", "body", "comment")
STARS_COLUMNS = ("points", "point", "stars", "star_rating", "rating", "score")

ADDED_COLUMNS = ("score", "interval_low", "interval_high", "error")
"""The columns that scoring adds to each row."""

# Common Japanese names, which the web page accepts too.
_JAPANESE = ("レビュー", "レビュー本文", "本文", "口コミ", "クチコミ", "コメント", "感想", "内容", "文章")
_DEFAULT_NAMES = (*TEXT_COLUMNS, *_JAPANESE)
_MAX_LISTED = 20


def printable(text: str) -> str:
    """Return the first 60 characters of ``text`` on one line, encodable as UTF-8 and without NUL."""
    return " ".join(text[:60].encode(errors="backslashreplace").decode().split()).replace("\0", "")


class Columns:
    """Finds the text column and names the columns that are added.

    The text column is called ``text``, or has one of the default names if ``text`` is empty. ``prefix`` is put before
    the names of the added columns.
    """

    def __init__(self, *, text: str = "", prefix: str = "") -> None:
        self.added = tuple(prefix + name for name in ADDED_COLUMNS)
        self._text = text
        self._candidates = (text,) if text else _DEFAULT_NAMES

    def text_index(self, names: Sequence[str]) -> int:
        """Return the index of the text column in ``names``.

        Raises ``FileError`` if there is none, or if a column has the name of an added one.
        """
        for name in names:
            if name in self.added:
                reason = f"the file already has a column {name}; add a prefix to the new columns, such as predicted_"
                raise FileError("column_conflict", reason)
        if self._text and self._text in names:
            return names.index(self._text)
        folded = [_folded(name) for name in names]
        for candidate in self._candidates:
            if candidate in folded:
                return folded.index(candidate)
        listed = ", ".join(printable(name) for name in names[:_MAX_LISTED])
        raise FileError(
            "text_column_missing",
            f"the file has no column {self._text or 'for the text'}; it has {listed or 'none'}"
            + ("" if self._text else f"; the default names are {', '.join(TEXT_COLUMNS)}; name the column of the text"),
        )


def check_unique(names: Sequence[str], kind: str) -> None:
    """Raise ``FileError`` if two columns have the same name, which the format ``kind`` does not allow."""
    for name in names:
        if names.count(name) > 1:
            reason = f"two columns are named {name!r}, which {kind} does not allow; rename one"
            raise FileError("column_conflict", reason)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lower()
