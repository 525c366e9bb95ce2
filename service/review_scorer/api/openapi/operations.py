"""Table of the operations of the API: for each path and method its request, answers and errors.

The OpenAPI document is generated from this table. Tests compare the table with the routes of the app.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import falcon

from review_scorer.api.feedback import FeedbackRequest, FeedbackResponse
from review_scorer.api.inference.messages import (
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    LiveResponse,
    ModelMetadata,
    ModelReadyResponse,
    ReadyResponse,
    ServerMetadata,
)
from review_scorer.api.parsing import ExplainRequest, ScoreRequest
from review_scorer.api.schemas import (
    EXAMPLE_ID,
    DetailedScore,
    DetailedScoreListResponse,
    ErrorResponse,
    ExplanationListResponse,
    ScoreListResponse,
    ScoreResponse,
    StatusResponse,
)
from review_scorer.prediction_log.prediction_ids import HEADER
from review_scorer.scoring.explanation import Explanation

_TEXT = ("text_empty", "text_nul", "text_surrogate", "text_too_long")
_ACCESS = ("unauthorized", "rate_limited")
_SCORING = (*_ACCESS, *_TEXT, "texts_empty", "texts_too_many", "body_too_large", "internal", "overloaded")
_BODY = ("json_invalid", "utf8_invalid", "body_incomplete", "body_timeout", *_SCORING)
_TEXTS_BODY = ("texts_missing", "texts_type", *_BODY)
_QUERY = ("query_invalid", "utf8_invalid", "detail_type", "texts_missing", *_SCORING)
_FILE = (
    *("file_empty", "file_csv", "file_encoding", "file_gzip", "form_invalid", "text_column_missing", "column_conflict"),
    *("body_incomplete", "body_timeout", "file_too_large", "row_too_long", "file_type", "charset_unknown"),
    *(*_ACCESS, "internal", "overloaded"),
)
_READY = ("not_ready", "draining", "internal")
_REVIEW = "すごい！最高に興奮した！楽しい"
_REVIEWS = ["この映画は全くだめ、楽しくない。駄作", "部屋は狭いけれど朝食が美味しかった"]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    ``request`` is the type of the JSON body, or of the query string of a ``GET``; ``examples`` are values of it, by
    name. ``responses`` are the types of the 200 answer, sent as ``media_type``, or with ``binary`` also as bytes;
    ``success`` describes that answer, ``headers`` its headers, by name. ``errors`` are the error codes, answered with
    the type ``error_type``. Where the body is a file, ``files`` has an example for each media type, of the request and
    of the answer, and ``parameters`` describes the query parameters, by name.
    """

    id: str
    summary: str
    success: str
    description: str = ""
    request: type | None = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    responses: Sequence[Any] = ()
    media_type: str = falcon.MEDIA_JSON
    binary: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[str] = ("internal",)
    error_type: type = ErrorResponse


_PREDICTION_ID = {
    HEADER: "Prediction id, for feedback; the texts of a list have this id, followed by `.` and their index"
}
_POST_SCORES = Operation(
    id="postScores",
    summary="Score one review or a list of reviews",
    description="Predicts the stars, 1 to 5, of Japanese reviews.",
    success="Predicted stars; with `detail`, also interval, vocabulary coverage and prediction id",
    request=ScoreRequest,
    examples={
        "one": {"texts": _REVIEW},
        "list": {"texts": _REVIEWS},
        "detail": {"texts": _REVIEW, "detail": True},
    },
    responses=(ScoreResponse, ScoreListResponse, DetailedScore, DetailedScoreListResponse),
    headers=_PREDICTION_ID,
    errors=("detail_type", *_TEXTS_BODY),
)
_GET_SCORES = replace(
    _POST_SCORES,
    id="getScores",
    summary="Score one review or a list of reviews, sent in the query string",
    examples={"one": {"texts": [_REVIEW]}, "list": {"texts": _REVIEWS, "detail": True}},
    errors=_QUERY,
)
_V2: Mapping[str, Mapping[str, Operation]] = {
    "/v2": {
        "get": Operation(
            id="getServerMetadata",
            summary="Server metadata",
            success="Name, version and protocol extensions of the server",
            responses=(ServerMetadata,),
            errors=(*_ACCESS, "internal"),
            error_type=InferenceError,
        )
    },
    "/v2/health/live": {
        "get": Operation(
            id="getServerLive",
            summary="Server liveness",
            success="The process is alive",
            responses=(LiveResponse,),
            error_type=InferenceError,
        )
    },
    "/v2/health/ready": {
        "get": Operation(
            id="getServerReady",
            summary="Server readiness",
            success="The instance is ready for requests",
            responses=(ReadyResponse,),
            errors=_READY,
            error_type=InferenceError,
        )
    },
    "/v2/models/reviews": {
        "get": Operation(
            id="getModelMetadata",
            summary="Model metadata",
            success="Name, platform, inputs and outputs of the model",
            responses=(ModelMetadata,),
            errors=(*_ACCESS, "internal"),
            error_type=InferenceError,
        )
    },
    "/v2/models/reviews/ready": {
        "get": Operation(
            id="getModelReady",
            summary="Model readiness",
            success="The model is ready for requests",
            responses=(ModelReadyResponse,),
            errors=(*_ACCESS, *_READY),
            error_type=InferenceError,
        )
    },
    "/v2/models/reviews/infer": {
        "post": Operation(
            id="infer",
            summary="Inference: score the texts of a tensor",
            description="Tensors can also be sent and received as binary data after the JSON "
            "(protocol extension `binary_tensor_data`).",
            success="Predicted stars of each text, in the shape of the input",
            request=InferenceRequest,
            examples={
                "list": {"inputs": [{"name": "texts", "shape": [2], "datatype": "BYTES", "data": _REVIEWS}]},
                "column": {
                    "id": "42",
                    "inputs": [{"name": "texts", "shape": [1, 1], "datatype": "BYTES", "data": [[_REVIEW]]}],
                    "outputs": [{"name": "score"}],
                },
            },
            responses=(InferenceResponse,),
            binary=True,
            headers=_PREDICTION_ID,
            errors=("tensor_invalid", "encoding_invalid", *_BODY),
            error_type=InferenceError,
        )
    },
}
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/api/1/scores": {"post": _POST_SCORES, "get": _GET_SCORES},
    "/api/1/users": {
        "post": replace(_POST_SCORES, id="postUsers", summary="Alias of POST /api/1/scores"),
        "get": replace(_GET_SCORES, id="getUsers", summary="Alias of GET /api/1/scores"),
    },
    "/api/1/explain": {
        "post": Operation(
            id="explain",
            summary="Explain the score of one review or a list of reviews",
            description="Answers how much each word raises or lowers the score, and the score of each sentence alone.",
            success="Score and contributions of the words",
            request=ExplainRequest,
            examples={"one": {"texts": _REVIEW}, "list": {"texts": _REVIEWS}},
            responses=(Explanation, ExplanationListResponse),
            errors=_TEXTS_BODY,
        )
    },
    "/api/1/files": {
        "post": Operation(
            id="scoreFile",
            summary="Score the reviews of a CSV, TSV or JSON Lines file",
            description="Streams the rows back while the file is uploaded, each with the columns `score`, "
            "`interval_low`, `interval_high` and `error`. The file may be compressed with gzip. An error after the "
            "first row is the last line of the answer.",
            success="Rows of the file with the added columns, in the format of the file",
            files={
                "text/csv": "id,texts\r\n1,部屋は狭いけれど朝食が美味しかった\r\n",
                "text/tab-separated-values": "id\ttexts\r\n1\t部屋は狭いけれど朝食が美味しかった\r\n",
                "application/jsonl": '{"id": 1, "texts": "部屋は狭いけれど朝食が美味しかった"}\n',
            },
            parameters={
                "text": "Name of the text column; by default it is found by its usual names",
                "prefix": "Prefix of the names of the added columns",
                "charset": "Character encoding of the file: `utf-8`, `shift_jis` or `euc-jp`; by default that of "
                "`Content-Type`, else `utf-8`",
            },
            headers=_PREDICTION_ID,
            errors=_FILE,
        )
    },
    **_V2,
    "/api/1/feedback": {
        "post": Operation(
            id="sendFeedback",
            summary="Send the true stars of a prediction",
            description="Stores the feedback for training. The last feedback on a prediction replaces earlier ones.",
            success="Stored feedback",
            request=FeedbackRequest,
            examples={
                "stars": {"id": EXAMPLE_ID, "stars": 4},
                "text": {"id": f"{EXAMPLE_ID}.0", "stars": 4.5, "texts": _REVIEW},
            },
            responses=(FeedbackResponse,),
            errors=(
                *("json_invalid", "utf8_invalid", "id_invalid", "stars_invalid", "texts_type", *_TEXT, *_ACCESS),
                *("body_incomplete", "body_timeout", "body_too_large", "prediction_log_disabled"),
                *("internal", "overloaded", "prediction_log_unavailable"),
            ),
        )
    },
    "/healthz": {
        "get": Operation(
            id="getHealth",
            summary="Liveness probe",
            success="The process is alive",
            responses=(StatusResponse,),
        )
    },
    "/readyz": {
        "get": Operation(
            id="getReadiness",
            summary="Readiness probe",
            success="The instance is ready for requests",
            responses=(StatusResponse,),
            errors=_READY,
        )
    },
    "/version": {
        "get": Operation(
            id="getVersion",
            summary="Version of the service, the model bundle and the libraries",
            success="Versions and bundle digest",
            responses=(dict[str, Any],),
            errors=(*_ACCESS, "internal"),
        )
    },
    "/metrics": {
        "get": Operation(
            id="getMetrics",
            summary="Prometheus metrics",
            success="Metrics in the Prometheus text format",
            responses=(str,),
            media_type=falcon.MEDIA_TEXT,
        )
    },
    "/openapi.json": {
        "get": Operation(
            id="getOpenAPI",
            summary="OpenAPI document of this API",
            success="OpenAPI 3.1 document",
            responses=(dict[str, Any],),
        )
    },
}
"""Operations by path and method."""
