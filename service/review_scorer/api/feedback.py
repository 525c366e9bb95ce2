"""Feedback on predictions: ``/api/1/feedback``."""

from typing import Annotated

import falcon
import falcon.asgi
import msgspec

from review_scorer.api.parsing import parse_body
from review_scorer.api.schemas import EXAMPLE_ID
from review_scorer.errors import RequestError
from review_scorer.prediction_log.entries import Redaction, feedback_entry
from review_scorer.prediction_log.prediction_ids import ID
from review_scorer.prediction_log.recorder import StoreError, StreamStore
from review_scorer.scoring.scorer import Scorer


class FeedbackRequest(msgspec.Struct):
    """True stars of a prediction."""

    id: Annotated[str, msgspec.Meta(pattern=ID, description="Prediction id", examples=[EXAMPLE_ID])]
    stars: Annotated[float, msgspec.Meta(ge=1, le=5, description="True stars, 1 to 5", examples=[4])]
    texts: Annotated[str | None, msgspec.Meta(description="Text of the review, if it may be stored for training")] = (
        None
    )


class FeedbackResponse(msgspec.Struct):
    """Feedback as stored."""

    id: str
    stars: float


_decoder = msgspec.json.Decoder(FeedbackRequest)
_encode = msgspec.json.Encoder().encode
_EXAMPLE = 'send {"id": "…", "stars": 4}'
# By member: the code and the reason of the error for a missing or invalid value.
_SCHEMA_ERRORS = {
    "id": ("id_invalid", f'must be the id of a prediction, from its "id" or X-Prediction-Id; {_EXAMPLE}'),
    "stars": ("stars_invalid", f"must be a number from 1 to 5; {_EXAMPLE}"),
    "texts": ("texts_type", "must be one string, or left out"),
}


class Feedback:
    """Stores feedback in ``stream`` of ``store``. Without a store, each request gets an error."""

    def __init__(self, scorer: Scorer, store: StreamStore | None, *, stream: str, keep: Redaction) -> None:
        self._scorer = scorer
        self._store = store
        self._stream = stream
        self._keep = keep

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"id": "…", "stars": 4}``, optionally with ``"texts": "…"`` → ``{"id", "stars"}``, once stored.

        The last feedback on a prediction replaces earlier ones.
        """
        feedback = parse_body(await request.stream.read(), _decoder, _schema_error)
        if feedback.texts is not None:
            self._scorer.check(feedback.texts)
        if self._store is None:
            raise RequestError(
                "prediction_log_disabled", "the prediction log is disabled; it needs SCORER_REDIS_URL to be set"
            )
        try:
            entry = feedback_entry(feedback.id, feedback.stars, feedback.texts, self._keep)
            await self._store.add(self._stream, [entry])
        except StoreError:
            reason = "the prediction log is unavailable; retry in 5 seconds"
            raise RequestError("prediction_log_unavailable", reason, headers={"Retry-After": "5"}) from None
        response.data = _encode(FeedbackResponse(feedback.id, feedback.stars))
        response.content_type = falcon.MEDIA_JSON


def _schema_error(message: str) -> RequestError:
    """Return the error for msgspec's ``message``, which has the member as `$.id` or, where it is missing, `id`."""
    field = next((name for name in _SCHEMA_ERRORS if f"`$.{name}`" in message or f"`{name}`" in message), "")
    code, reason = _SCHEMA_ERRORS[field or "id"]
    return RequestError(code, reason, field=field or None)
