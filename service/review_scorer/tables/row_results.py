"""Results of rows: the stars with their interval, or an error."""

from collections.abc import Sequence
from typing import NamedTuple

from review_scorer.scoring.errors import TextError
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.rows import Row


class RowResult(NamedTuple):
    """The values of the columns that are added to a row.

    They are the stars and the ends of their interval, 1–5, or an error: a code, a colon and a sentence.
    """

    score: float | None
    low: float | None
    high: float | None
    error: str | None = None


def row_error(scorer: Scorer, row: Row) -> str:
    """Return why the row cannot be scored; empty if it can."""
    if row.error:
        return row.error
    try:
        scorer.check(row.text)
    except TextError as error:
        return f"{error.code}: {error}"
    return ""


def score_texts(scorer: Scorer, texts: Sequence[str]) -> list[RowResult]:
    """Return the result of each text. Raises ``TextError`` if a text cannot be scored."""
    return [RowResult(score, *scorer.interval(score)) for score in scorer.score_many(texts)]


def merge_results(
    rows: Sequence[Row], errors: Sequence[str], results: Sequence[RowResult]
) -> list[tuple[Row, RowResult]]:
    """Return each row with its result; ``results`` are those of the rows without an error, in order."""
    remaining = iter(results)
    return [
        (row, RowResult(None, None, None, error) if error else next(remaining))
        for row, error in zip(rows, errors, strict=True)
    ]
