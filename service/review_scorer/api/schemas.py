"""What is answered, as types: the encoder writes them, and the description of the service is made from them."""

from typing import Annotated

import msgspec

from review_scorer.scoring.explanation import Explanation

Stars = Annotated[float, msgspec.Meta(ge=1, le=5, description="stars, 1–5", examples=[4.980513010252209])]


class ScoreAnswer(msgspec.Struct):
    """The stars of one text."""

    score: Stars


class ScoresAnswer(msgspec.Struct):
    """The stars of a list of texts, in their order."""

    scores: list[Stars]


class ScoreDetail(msgspec.Struct):
    """A score with its 80% interval, the share of the text's words that the model knows, and a name of its own.

    ``id`` is what feedback is given on: a UUID; for a text of a list with its place after it, as in ``….0``.
    """

    score: Stars
    interval: tuple[Stars, Stars]
    vocabulary_coverage: Annotated[float, msgspec.Meta(ge=0, le=1)]
    id: Annotated[str, msgspec.Meta(examples=["019aa6b5-4c1f-7d3a-9b5e-2f6d8c1a4e70"])]


class DetailsAnswer(msgspec.Struct):
    """The detailed scores of a list of texts, in their order."""

    results: list[ScoreDetail]


class ExplanationsAnswer(msgspec.Struct):
    """What made the scores of a list of texts, in their order."""

    explanations: list[Explanation]


class StatusAnswer(msgspec.Struct):
    """How the service is."""

    status: Annotated[str, msgspec.Meta(examples=["ready"])]


class ErrorDetail(msgspec.Struct):
    """What is wrong: ``code`` for programs, ``field`` where one is at fault, ``reason`` for people."""

    code: Annotated[str, msgspec.Meta(examples=["text_empty"])]
    field: Annotated[str | None, msgspec.Meta(examples=["texts[3]"])]
    reason: Annotated[str, msgspec.Meta(examples=["the text is empty or blank; send at least one visible character"])]


class ErrorAnswer(msgspec.Struct):
    """The one shape of every error."""

    error: ErrorDetail
