"""Predictions and what people said of them, by id: in a database of SQLite's that spills to a temporary file.

So a million of them take little memory, the last word on an id is the one that counts, and figures are queries.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

Entry = Mapping[str, str]

_TABLES = """
CREATE TABLE prediction (id TEXT PRIMARY KEY, time TEXT, week TEXT, score REAL, bundle TEXT, text TEXT, hash TEXT,
    shadow REAL, shadow_bundle TEXT) WITHOUT ROWID;
CREATE TABLE gap (id TEXT PRIMARY KEY, dropped INTEGER) WITHOUT ROWID;
CREATE TABLE feedback (id TEXT PRIMARY KEY, time TEXT, stars REAL, text TEXT) WITHOUT ROWID;
"""
# What is far more than a slice, and little memory: 32 MiB.
_CACHE = "PRAGMA cache_size = -32768"

_CORPUS = """
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


class Errors(NamedTuple):
    """How far a bundle's predictions of a week were from what people said, in stars; of all weeks where it is empty.

    ``bias`` is above 0 where it predicts too much.
    """

    bundle: str
    is_shadow: bool
    week: str
    n: int
    rmse: float
    mae: float
    bias: float


class Pair(NamedTuple):
    """What two bundles gave one text, and what was said of it, if anything."""

    id: str
    score: float
    shadow: float
    stars: float | None
    text: str | None
    hash: str | None


class FeedbackDatabase:
    """All predictions and all feedback that were added."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self._database.execute(_CACHE)

    def add_predictions(self, entries: Iterable[Entry]) -> None:
        """Add entries of the record."""
        predictions, gaps = [], []
        for entry in entries:
            if "dropped" in entry:
                gaps.append((entry["id"], int(entry["dropped"])))
            else:
                predictions.append(_prediction(entry))
        self._put("prediction", 9, predictions)
        self._put("gap", 2, gaps)

    def add_feedback(self, entries: Iterable[Entry]) -> None:
        """Add entries of the feedback."""
        rows = [(entry["id"], entry["time"], float(entry["stars"]), entry.get("text")) for entry in entries]
        self._put("feedback", 4, rows)

    def count(self, table: str) -> int:
        """Return how many different ids were added as ``prediction`` or ``feedback``."""
        return self._number(f"SELECT count(*) FROM {table}")  # noqa: S608 - the name is ours

    @property
    def dropped(self) -> int:
        """How many predictions the record says it lacks."""
        return self._number("SELECT coalesce(sum(dropped), 0) FROM gap")

    @property
    def unknown(self) -> int:
        """How much feedback is on predictions that the record has not, or no longer."""
        return self._number("SELECT count(*) FROM feedback WHERE id NOT IN (SELECT id FROM prediction)")

    @property
    def with_text(self) -> int:
        """How much feedback has a text to learn from."""
        return self._number(f"SELECT count(*) {_CORPUS}")

    def corpus(self) -> Iterator[tuple[float, str, str, str, float | None, str | None]]:
        """Yield stars, text, id, time, score and bundle of all feedback with a text, in the order of the ids."""
        columns = "stars, coalesce(feedback.text, prediction.text), id, feedback.time, score, bundle"
        yield from self._database.execute(f"SELECT {columns} {_CORPUS} ORDER BY id")

    def errors(self) -> Iterator[Errors]:
        """Yield figures by bundle, of all weeks and then of each."""
        for bundle, is_shadow, week, n, square, mae, bias in self._database.execute(_ERRORS):
            yield Errors(bundle, bool(is_shadow), week, n, square**0.5, mae, bias)

    def disagreements(self, most: int) -> Iterator[Pair]:
        """Yield the predictions on which the two bundles differ most, at most so many."""
        yield from map(Pair._make, self._database.execute(_DISAGREEMENTS, [most]))

    def _put(self, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
        places = ", ".join("?" * columns)
        self._database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)  # noqa: S608 - as above

    def _number(self, query: str) -> int:
        number: int = self._database.execute(query).fetchone()[0]
        return number


def _prediction(entry: Entry) -> tuple[object, ...]:
    year, week, _ = datetime.fromisoformat(entry["time"]).isocalendar()
    shadow = float(entry["shadow"]) if "shadow" in entry else None
    return (
        *(entry["id"], entry["time"], f"{year}-W{week:02}", float(entry["score"]), entry["bundle"]),
        *(entry.get("text"), entry.get("hash"), shadow, entry.get("shadow_bundle")),
    )
