"""Scores of one text or a list of texts: ``/api/1/scores`` and its alias ``/api/1/users``."""

import falcon
import falcon.asgi
import msgspec

from review_scorer.api.parsing import ScoreRequest, check_count, parse_body, parse_query
from review_scorer.api.predictor import Predictor
from review_scorer.api.schemas import DetailedScore, DetailedScoreListResponse, ScoreListResponse, ScoreResponse
from review_scorer.prediction_log.prediction_ids import HEADER, ids_of_list, new_id
from review_scorer.scoring.scorer import Prediction

_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode


class Scores:
    """Scores texts sent by ``POST`` as JSON or by ``GET`` as a query string.

    The header ``X-Prediction-Id`` holds the id of the answer; the texts of a list have the ids ``ID.0``, ``ID.1`` and
    so on.
    """

    def __init__(self, predictor: Predictor, *, max_texts: int) -> None:
        self._scorer = predictor.scorer
        self._admission = predictor.admission
        self._predict = predictor.predict
        self._max_texts = max_texts

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score": 4.78}``; ``{"texts": ["…", …]}`` → ``{"scores": [4.78, …]}``.

        With ``"detail": true`` the answers are ``{"score", "interval", "vocabulary_coverage", "id"}`` and
        ``{"results": […]}``.
        """
        body = await request.stream.read()
        await self._answer(parse_request(body), len(body), response)

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``?texts=…`` → ``{"score": …}``; ``?texts=…&texts=…`` → ``{"scores": […]}``; also with ``&detail=true``."""
        query = request.scope["query_string"]
        await self._answer(parse_query(query), len(query), response)

    async def _answer(self, score_request: ScoreRequest, size: int, response: falcon.asgi.Response) -> None:
        texts, detail, prediction_id = score_request.texts, score_request.detail, new_id()
        if isinstance(texts, str):
            text = self._scorer.check(texts)
            with self._admission.accept(1, size):
                (prediction,) = await self._predict([text], [prediction_id])
            response.data = _encode(_detailed(prediction, prediction_id)) if detail else encode_score(prediction)
        else:
            check_count(len(texts), max_texts=self._max_texts)
            checked = self._scorer.check_all(texts)
            with self._admission.accept(len(texts), size):
                ids = ids_of_list(prediction_id, len(texts))
                predictions = await self._predict(checked, ids)
            if detail:
                results = [_detailed(*each) for each in zip(predictions, ids, strict=True)]
                response.data = _encode(DetailedScoreListResponse(results))
            else:
                response.data = _encode(ScoreListResponse([prediction.score for prediction in predictions]))
        response.content_type = falcon.MEDIA_JSON
        response.set_header(HEADER, prediction_id)


def parse_request(body: bytes) -> ScoreRequest:
    """Return the request in a JSON body; raise a ``RequestError`` if it is invalid."""
    return parse_body(body, _decoder)


def encode_score(prediction: Prediction) -> bytes:
    """Return the body of the response to one text without details."""
    return _encode(ScoreResponse(prediction.score))


def _detailed(prediction: Prediction, prediction_id: str) -> DetailedScore:
    return DetailedScore(prediction.score, prediction.interval, prediction.vocabulary_coverage, prediction_id)
