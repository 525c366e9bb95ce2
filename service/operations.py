"""What the service answers to: each method of each path, with what is asked, answered and refused.

The tests hold this table against the routes of the app; ``openapi`` makes the description of the service from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.answers import DetailsAnswer, ExplanationsAnswer, ScoreAnswer, ScoreDetail, ScoresAnswer, StatusAnswer
from service.requests import ExplainRequest, ScoreRequest
from service.scoring.explaining import Explanation

_TEXTS = ("texts_missing", "texts_type", "texts_empty", "text_empty", "text_nul", "text_surrogate")
_LIMITS = ("text_too_long", "texts_too_many", "body_too_large")
_BODY = ("json_invalid", "utf8_invalid", "body_incomplete", *_TEXTS, "body_timeout", *_LIMITS, "internal", "overloaded")
_QUERY = ("query_invalid", "utf8_invalid", "detail_type", *_TEXTS, *_LIMITS, "internal", "overloaded")
_FILE = (
    *("file_empty", "file_csv", "file_encoding", "file_gzip", "form_invalid", "text_column_missing", "column_taken"),
    *("body_incomplete", "body_timeout", "file_too_large", "row_too_long", "file_type", "charset_unknown"),
    *("internal", "overloaded"),
)
_REVIEW = "すごい！最高に興奮した！楽しい"
_REVIEWS = ["この映画は全くだめ、楽しくない。駄作", "部屋は狭いけれど朝食が美味しかった"]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What one method of one path does.

    ``asked`` is the type of the body, or of the query where the method is ``GET``, ``answers`` are the types of a 200;
    ``codes`` those of the errors; ``examples`` are values of ``asked``, by name. Where the body is a file and not JSON,
    ``files`` are examples of it by media type, which are the answer's as well, and ``query`` says what its names mean.
    """

    name: str
    summary: str
    asked: type | None = None
    answers: Sequence[Any] = ()
    codes: Sequence[str] = ("internal",)
    examples: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


_SCORES = (ScoreAnswer, ScoresAnswer, ScoreDetail, DetailsAnswer)
_POST_SCORES = Operation(
    name="scoreBody",
    summary="The stars of one text, or of a list of them",
    asked=ScoreRequest,
    answers=_SCORES,
    codes=("detail_type", *_BODY),
    examples={
        "one": {"texts": _REVIEW},
        "list": {"texts": _REVIEWS},
        "detail": {"texts": _REVIEW, "detail": True},
    },
)
_GET_SCORES = Operation(
    name="scoreQuery",
    summary="The same, asked by a query",
    asked=ScoreRequest,
    answers=_SCORES,
    codes=_QUERY,
    examples={"one": {"texts": [_REVIEW]}, "list": {"texts": _REVIEWS, "detail": True}},
)
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/api/1/scores": {"post": _POST_SCORES, "get": _GET_SCORES},
    "/api/1/users": {"post": _POST_SCORES, "get": _GET_SCORES},
    "/api/1/explain": {
        "post": Operation(
            name="explain",
            summary="What made the score: how much each word raised or lowered it, and how each sentence scores alone",
            asked=ExplainRequest,
            answers=(Explanation, ExplanationsAnswer),
            codes=_BODY,
            examples={"one": {"texts": _REVIEW}, "list": {"texts": _REVIEWS}},
        )
    },
    "/api/1/files": {
        "post": Operation(
            name="scoreFile",
            summary="The rows of a file with score, interval_low, interval_high and error, while it is on its way",
            codes=_FILE,
            files={
                "text/csv": "id,texts\r\n1,部屋は狭いけれど朝食が美味しかった\r\n",
                "text/tab-separated-values": "id\ttexts\r\n1\t部屋は狭いけれど朝食が美味しかった\r\n",
                "application/jsonl": '{"id": 1, "texts": "部屋は狭いけれど朝食が美味しかった"}\n',
            },
            query={
                "text": "the column of the text, where it has none of the usual names",
                "prefix": "what is put before the names of the columns that are added",
                "charset": "utf-8, shift_jis or euc-jp, where Content-Type does not say it",
            },
        )
    },
    "/healthz": {"get": Operation(name="health", summary="Whether the process is alive", answers=(StatusAnswer,))},
    "/readyz": {
        "get": Operation(
            name="readiness",
            summary="Whether requests should be sent here",
            answers=(StatusAnswer,),
            codes=("not_ready", "draining", "internal"),
        )
    },
    "/version": {
        "get": Operation(
            name="version", summary="The code, the bundle and the libraries that answer", answers=(dict[str, Any],)
        )
    },
    "/openapi.json": {"get": Operation(name="openapi", summary="This description", answers=(dict[str, Any],))},
}
"""What the service answers to, by path and method."""
