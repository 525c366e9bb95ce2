"""What people say of a prediction: the stars that were right, and the text if it may be kept."""

from typing import Annotated

import falcon
import falcon.asgi
import msgspec

from review_scorer.api.parsing import decode
from review_scorer.errors import RequestError
from review_scorer.prediction_log.entries import Redaction, feedback_entry
from review_scorer.prediction_log.prediction_ids import ID
from review_scorer.prediction_log.recorder import StoreError, StreamStore
from review_scorer.scoring.scorer import Scorer


class FeedbackRequest(msgspec.Struct):
    """The stars that are right for a prediction, by its id; with the text, where that may be kept to learn from."""

    id: Annotated[str, msgspec.Meta(pattern=ID, examples=["019aa6b5-4c1f-7d3a-9b5e-2f6d8c1a4e70"])]
    stars: Annotated[float, msgspec.Meta(ge=1, le=5, description="stars, 1–5", examples=[4])]
    texts: str | None = None


class FeedbackAnswer(msgspec.Struct):
    """What was stored."""

    id: str
    stars: float


_decoder = msgspec.json.Decoder(FeedbackRequest)
_encode = msgspec.json.Encoder().encode
_SEND = 'send {"id": "…", "stars": 4}'
_WANTED = {
    "id": ("id_invalid", f"the id of a prediction is wanted, from its details or X-Prediction-Id; {_SEND}"),
    "stars": ("stars_invalid", f"a number of stars from 1 to 5 is wanted; {_SEND}"),
    "texts": ("texts_type", "one text is wanted, or none"),
}


class Feedback:
    """Keeps what people say, in ``stream`` of ``store``; without a store there is nothing to say it to."""

    def __init__(self, scorer: Scorer, store: StreamStore | None, *, stream: str, keep: Redaction) -> None:
        self._scorer = scorer
        self._store = store
        self._stream = stream
        self._keep = keep

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"id": "…", "stars": 4}``, also with ``"texts": "…"``; answered with id and stars once it is stored.

        Feedback on the same prediction may be given again; the last counts.
        """
        said = decode(await request.stream.read(), _decoder, _wrong_shape)
        if said.texts is not None:
            self._scorer.check(said.texts)
        if self._store is None:
            raise RequestError(
                "prediction_log_disabled", "this service keeps no record; it would with SCORER_REDIS_URL"
            )
        try:
            await self._store.add(self._stream, [feedback_entry(said.id, said.stars, said.texts, self._keep)])
        except StoreError:
            reason = "the record cannot be written now; send it again in some seconds"
            raise RequestError("prediction_log_unavailable", reason, headers={"Retry-After": "5"}) from None
        response.data = _encode(FeedbackAnswer(said.id, said.stars))
        response.content_type = falcon.MEDIA_JSON


def _wrong_shape(message: str) -> RequestError:
    """Return the error for a body of the wrong shape; msgspec names the member with ``$.id`` or, missing, `id`."""
    field = next((name for name in _WANTED if f"`$.{name}`" in message or f"`{name}`" in message), "")
    code, reason = _WANTED[field or "id"]
    return RequestError(code, reason, field=field or None)
