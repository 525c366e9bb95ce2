"""Joins predictions and feedback by id, in an SQLite database that spills to a temporary file.

A million of them take little memory, only the last feedback on an id counts, and figures are queries.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

LogEntry = Mapping[str, str]

_TABLES = """
CREATE TABLE prediction (id TEXT PRIMARY KEY, time TEXT, week TEXT, score REAL, bundle TEXT, text TEXT, hash TEXT,
    shadow REAL, shadow_bundle TEXT) WITHOUT ROWID;
CREATE TABLE gap (id TEXT PRIMARY KEY, dropped INTEGER) WITHOUT ROWID;
CREATE TABLE feedback (id TEXT PRIMARY KEY, time TEXT, stars REAL, text TEXT) WITHOUT ROWID;
"""
# 32 MiB: far more than a batch of entries.
_CACHE = "PRAGMA cache_size = -32768"

_REVIEWS = """
FROM feedback LEFT JOIN prediction USING (id) WHERE coalesce(feedback.text, prediction.text) IS NOT NULL
"""
_ERRORS = """
WITH judged AS (
    SELECT bundle, 0 AS is_shadow, week, score - stars AS error FROM prediction JOIN feedback USING (id)
    UNION ALL
    SELECT shadow_bundle, 1, week, shadow - stars FROM prediction JOIN feedback USING (id) WHERE shadow IS NOT NULL
), figures AS (
    SELECT bundle, is_shadow, '' AS week, count(*) AS n, avg(error * error) AS square, avg(abs(error)) AS mae,
        avg(error) AS bias FROM judged GROUP BY bundle, is_shadow
    UNION ALL
    SELECT bundle, is_shadow, week, count(*), avg(error * error), avg(abs(error)), avg(error)
        FROM judged GROUP BY bundle, is_shadow, week
)
SELECT bundle, is_shadow, week, n, square, mae, bias FROM figures ORDER BY is_shadow, bundle, week
"""
_DISAGREEMENTS = """
SELECT id, score, shadow, stars, coalesce(feedback.text, prediction.text), hash
FROM prediction LEFT JOIN feedback USING (id) WHERE shadow IS NOT NULL ORDER BY abs(shadow - score) DESC, id LIMIT ?
"""


class PredictionErrors(NamedTuple):
    """The errors of a bundle's predictions against feedback, in stars, in an ISO week; an empty week means all weeks.

    ``bias`` is above 0 if predictions are too high.
    """

    bundle: str
    is_shadow: bool
    week: str
    n: int
    rmse: float
    mae: float
    bias: float


class ShadowDisagreement(NamedTuple):
    """The scores that the bundle and its shadow gave one text, and the stars of the feedback on it, if any."""

    id: str
    score: float
    shadow: float
    stars: float | None
    text: str | None
    hash: str | None


class FeedbackReview(NamedTuple):
    """Feedback with a text; ``score`` and ``bundle`` are those of the prediction, if the log has it."""

    stars: float
    text: str
    id: str
    time: str
    score: float | None
    bundle: str | None


class FeedbackDatabase:
    """The predictions and the feedback that were added."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self._database.execute(_CACHE)

    def add_predictions(self, entries: Iterable[LogEntry]) -> None:
        """Add entries of the prediction log."""
        predictions, gaps = [], []
        for entry in entries:
            if "dropped" in entry:
                gaps.append((entry["id"], int(entry["dropped"])))
            else:
                predictions.append(_prediction_row(entry))
        self._insert("prediction", 9, predictions)
        self._insert("gap", 2, gaps)

    def add_feedback(self, entries: Iterable[LogEntry]) -> None:
        """Add entries of the feedback log."""
        rows = [(entry["id"], entry["time"], float(entry["stars"]), entry.get("text")) for entry in entries]
        self._insert("feedback", 4, rows)

    @property
    def predictions(self) -> int:
        """The number of predictions."""
        return self._query_number("SELECT count(*) FROM prediction")

    @property
    def feedback(self) -> int:
        """The number of predictions with feedback."""
        return self._query_number("SELECT count(*) FROM feedback")

    @property
    def dropped(self) -> int:
        """The number of predictions that the log reports as dropped."""
        return self._query_number("SELECT coalesce(sum(dropped), 0) FROM gap")

    @property
    def unknown(self) -> int:
        """The number of feedback entries whose prediction is not in the log, or no longer."""
        return self._query_number("SELECT count(*) FROM feedback WHERE id NOT IN (SELECT id FROM prediction)")

    @property
    def with_text(self) -> int:
        """The number of feedback entries with a text."""
        return self._query_number(f"SELECT count(*) {_REVIEWS}")

    def reviews(self) -> Iterator[FeedbackReview]:
        """Yield all feedback with a text, ordered by id."""
        columns = "stars, coalesce(feedback.text, prediction.text), id, feedback.time, score, bundle"
        yield from map(FeedbackReview._make, self._database.execute(f"SELECT {columns} {_REVIEWS} ORDER BY id"))

    def errors(self) -> Iterator[PredictionErrors]:
        """Yield the errors of each bundle, over all weeks and then by week."""
        for bundle, is_shadow, week, n, square, mae, bias in self._database.execute(_ERRORS):
            yield PredictionErrors(bundle, bool(is_shadow), week, n, square**0.5, mae, bias)

    def disagreements(self, most: int) -> Iterator[ShadowDisagreement]:
        """Yield the ``most`` predictions on which bundle and shadow differ most."""
        yield from map(ShadowDisagreement._make, self._database.execute(_DISAGREEMENTS, [most]))

    def _insert(self, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
        values = ", ".join("?" * columns)
        statement = f"INSERT OR REPLACE INTO {table} VALUES ({values})"  # noqa: S608 - the names are constants
        self._database.executemany(statement, rows)

    def _query_number(self, query: str) -> int:
        number: int = self._database.execute(query).fetchone()[0]
        return number


def _prediction_row(entry: LogEntry) -> tuple[object, ...]:
    year, week, _ = datetime.fromisoformat(entry["time"]).isocalendar()
    shadow = float(entry["shadow"]) if "shadow" in entry else None
    return (
        *(entry["id"], entry["time"], f"{year}-W{week:02}", float(entry["score"]), entry["bundle"]),
        *(entry.get("text"), entry.get("hash"), shadow, entry.get("shadow_bundle")),
    )
