"""What the service answers to: each method of each path, with what is asked, answered and refused.

The tests hold this table against the routes of the app; ``openapi`` makes the description of the service from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import falcon

from review_scorer.api.feedback import FeedbackAnswer, FeedbackRequest
from review_scorer.api.inference.messages import (
    InferenceAnswer,
    InferenceError,
    InferenceRequest,
    LiveAnswer,
    ModelMetadata,
    ModelReadyAnswer,
    ReadyAnswer,
    ServerMetadata,
)
from review_scorer.api.parsing import ExplainRequest, ScoreRequest
from review_scorer.api.schemas import (
    DetailsAnswer,
    ErrorAnswer,
    ExplanationsAnswer,
    ScoreAnswer,
    ScoreDetail,
    ScoresAnswer,
    StatusAnswer,
)
from review_scorer.prediction_log.prediction_ids import HEADER
from review_scorer.scoring.explanation import Explanation

_TEXTS = ("texts_missing", "texts_type", "texts_empty", "text_empty", "text_nul", "text_surrogate")
_GUARDED = ("unauthorized", "rate_limited")
_LIMITS = ("text_too_long", "texts_too_many", "body_too_large")
_ALL = (*_GUARDED, *_TEXTS, *_LIMITS, "internal", "overloaded")
_BODY = ("json_invalid", "utf8_invalid", "body_incomplete", "body_timeout", *_ALL)
_QUERY = ("query_invalid", "utf8_invalid", "detail_type", *_ALL)
_FILE = (
    *("file_empty", "file_csv", "file_encoding", "file_gzip", "form_invalid", "text_column_missing", "column_conflict"),
    *("body_incomplete", "body_timeout", "file_too_large", "row_too_long", "file_type", "charset_unknown"),
    *(*_GUARDED, "internal", "overloaded"),
)
_INFER = (
    "tensor_invalid",
    "encoding_invalid",
    *(code for code in _BODY if code not in {"texts_missing", "texts_type"}),
)
_READY = ("not_ready", "draining", "internal")
_ID = "019aa6b5-4c1f-7d3a-9b5e-2f6d8c1a4e70"
_REVIEW = "すごい！最高に興奮した！楽しい"
_REVIEWS = ["この映画は全くだめ、楽しくない。駄作", "部屋は狭いけれど朝食が美味しかった"]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What one method of one path does.

    ``asked`` is the type of the body, or of the query where the method is ``GET``, ``answers`` are the types of a 200,
    written as ``media``; ``codes`` those of the errors, which are of the type ``refusal``; ``examples`` are values of
    ``asked``, by name; ``headers`` tells what those of a 200 mean, by name. Where the body is a file and not JSON,
    ``files`` are examples of it by media type, which are the answer's as well, and ``query`` says what its names mean.
    ``binary``: whether the answer may also be bytes.
    """

    name: str
    summary: str
    asked: type | None = None
    answers: Sequence[Any] = ()
    media: str = falcon.MEDIA_JSON
    codes: Sequence[str] = ("internal",)
    refusal: type = ErrorAnswer
    examples: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    binary: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


_NAMED = {
    HEADER: "What feedback is given on; of several texts, the n-th, from 0, is called by this, a full stop and n."
}
_SCORES = (ScoreAnswer, ScoresAnswer, ScoreDetail, DetailsAnswer)
_POST_SCORES = Operation(
    name="scoreBody",
    summary="The stars of one text, or of a list of them",
    asked=ScoreRequest,
    answers=_SCORES,
    codes=("detail_type", *_BODY),
    headers=_NAMED,
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
    headers=_NAMED,
    examples={"one": {"texts": [_REVIEW]}, "list": {"texts": _REVIEWS, "detail": True}},
)
_V2: Mapping[str, Mapping[str, Operation]] = {
    "/v2": {
        "get": Operation(
            name="inferenceServer",
            summary="Who answers under the Open Inference Protocol, and which of its extensions are known",
            answers=(ServerMetadata,),
            codes=(*_GUARDED, "internal"),
            refusal=InferenceError,
        )
    },
    "/v2/health/live": {
        "get": Operation(
            name="inferenceLive",
            summary="Whether the process is alive",
            answers=(LiveAnswer,),
            refusal=InferenceError,
        )
    },
    "/v2/health/ready": {
        "get": Operation(
            name="inferenceReady",
            summary="Whether requests should be sent here",
            answers=(ReadyAnswer,),
            codes=_READY,
            refusal=InferenceError,
        )
    },
    "/v2/models/reviews": {
        "get": Operation(
            name="inferenceModel",
            summary="What the model takes and gives",
            answers=(ModelMetadata,),
            codes=(*_GUARDED, "internal"),
            refusal=InferenceError,
        )
    },
    "/v2/models/reviews/ready": {
        "get": Operation(
            name="inferenceModelReady",
            summary="Whether requests for the model should be sent here",
            answers=(ModelReadyAnswer,),
            codes=(*_GUARDED, *_READY),
            refusal=InferenceError,
        )
    },
    "/v2/models/reviews/infer": {
        "post": Operation(
            name="infer",
            summary="The stars of each text of a tensor; tensors may also be binary, after the JSON",
            asked=InferenceRequest,
            answers=(InferenceAnswer,),
            binary=True,
            codes=_INFER,
            headers=_NAMED,
            refusal=InferenceError,
            examples={
                "list": {"inputs": [{"name": "texts", "shape": [2], "datatype": "BYTES", "data": _REVIEWS}]},
                "column": {
                    "id": "42",
                    "inputs": [{"name": "texts", "shape": [1, 1], "datatype": "BYTES", "data": [[_REVIEW]]}],
                    "outputs": [{"name": "score"}],
                },
            },
        )
    },
}
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
            headers=_NAMED,
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
    **_V2,
    "/api/1/feedback": {
        "post": Operation(
            name="feedback",
            summary="The stars that were right for a prediction, to learn from",
            asked=FeedbackRequest,
            answers=(FeedbackAnswer,),
            codes=(
                *("json_invalid", "utf8_invalid", "id_invalid", "stars_invalid", "texts_type"),
                *("text_empty", "text_nul", "text_surrogate", "text_too_long"),
                *(*_GUARDED, "body_incomplete", "body_timeout", "body_too_large", "prediction_log_disabled"),
                *("internal", "overloaded", "prediction_log_unavailable"),
            ),
            examples={
                "stars": {"id": _ID, "stars": 4},
                "text": {"id": f"{_ID}.0", "stars": 4.5, "texts": _REVIEW},
            },
        )
    },
    "/healthz": {"get": Operation(name="health", summary="Whether the process is alive", answers=(StatusAnswer,))},
    "/readyz": {
        "get": Operation(
            name="readiness",
            summary="Whether requests should be sent here",
            answers=(StatusAnswer,),
            codes=_READY,
        )
    },
    "/version": {
        "get": Operation(
            name="version",
            summary="The code, the bundle and the libraries that answer",
            answers=(dict[str, Any],),
            codes=(*_GUARDED, "internal"),
        )
    },
    "/metrics": {
        "get": Operation(
            name="metrics", summary="What was counted, for Prometheus", answers=(str,), media=falcon.MEDIA_TEXT
        )
    },
    "/openapi.json": {"get": Operation(name="openapi", summary="This description", answers=(dict[str, Any],))},
}
"""What the service answers to, by path and method."""
