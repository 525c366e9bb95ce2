"""Types of the JSON answers. The encoder writes them, and the OpenAPI document is generated from them."""

from typing import Annotated

import msgspec

from review_scorer.scoring.explanation import Explanation

EXAMPLE_ID = "019aa6b5-4c1f-7d3a-9b5e-2f6d8c1a4e70"

Stars = Annotated[float, msgspec.Meta(ge=1, le=5, description="Stars, 1 to 5", examples=[4.980513010252209])]


class ScoreResponse(msgspec.Struct):
    """Predicted stars of one text."""

    score: Stars


class ScoreListResponse(msgspec.Struct):
    """Predicted stars of each text of a list, in the order of the request."""

    scores: list[Stars]


class DetailedScore(msgspec.Struct):
    """Predicted stars of one text, with interval, vocabulary coverage and prediction id."""

    score: Stars
    interval: Annotated[
        tuple[Stars, Stars], msgspec.Meta(description="Lower and upper end of the 80% prediction interval, in stars")
    ]
    vocabulary_coverage: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Share of the text's tokens that are in the model's vocabulary, 0 to 1"),
    ]
    id: Annotated[
        str,
        msgspec.Meta(
            description="Prediction id, for feedback: a UUID; for a text of a list, followed by `.` and its index",
            examples=[EXAMPLE_ID],
        ),
    ]


class DetailedScoreListResponse(msgspec.Struct):
    """Detailed scores of each text of a list, in the order of the request."""

    results: list[DetailedScore]


class ExplanationListResponse(msgspec.Struct):
    """Explanations of each text of a list, in the order of the request."""

    explanations: list[Explanation]


class StatusResponse(msgspec.Struct):
    """State of the process."""

    status: Annotated[str, msgspec.Meta(examples=["ready"])]


class ErrorDetail(msgspec.Struct):
    """Error: ``code`` for programs, ``reason`` for people, ``field`` of the request at fault or null."""

    code: Annotated[str, msgspec.Meta(examples=["text_empty"])]
    field: Annotated[str | None, msgspec.Meta(examples=["texts[3]"])]
    reason: Annotated[str, msgspec.Meta(examples=["the text is empty or blank; send at least one visible character"])]


class ErrorResponse(msgspec.Struct):
    """Body of every error."""

    error: ErrorDetail
