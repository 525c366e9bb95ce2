"""What is found out about a row: its stars with their interval, or what is wrong with it."""

from collections.abc import Sequence
from typing import NamedTuple

from review_scorer.scoring.errors import TextError
from review_scorer.scoring.scorer import Scorer
from review_scorer.tables.rows import Row


class Outcome(NamedTuple):
    """The values of the columns that are added to a row: stars, or else an error as a code, a colon and a sentence."""

    score: float | None
    low: float | None
    high: float | None
    error: str | None


def fault(scorer: Scorer, row: Row) -> str:
    """Return why the row cannot be scored, or nothing."""
    if row.error:
        return row.error
    try:
        scorer.check(row.text)
    except TextError as error:
        return f"{error.code}: {error}"
    return ""


def outcomes(scorer: Scorer, texts: Sequence[str]) -> list[Outcome]:
    """Return the outcome of each text, none of which may have a fault."""
    return [outcome(score, scorer.interval(score)) for score in scorer.score_many(texts)]


def outcome(score: float, interval: tuple[float, float]) -> Outcome:
    """Return the outcome of a text that has stars."""
    return Outcome(score, *interval, None)


def merged(rows: Sequence[Row], faults: Sequence[str], found: Sequence[Outcome]) -> list[tuple[Row, Outcome]]:
    """Return each row with its outcome; ``found`` are those of the rows without a fault, in order."""
    left = iter(found)
    return [
        (row, Outcome(None, None, None, wrong) if wrong else next(left))
        for row, wrong in zip(rows, faults, strict=True)
    ]
