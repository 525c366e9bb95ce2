"""What the service answers to: scores, and questions about itself."""

import falcon
import falcon.asgi
import msgspec

from review_scorer.api.parsing import ScoreRequest, check_count, decode, parse_query
from review_scorer.api.predictor import Predictor
from review_scorer.api.schemas import DetailsAnswer, ScoreAnswer, ScoreDetail, ScoresAnswer
from review_scorer.prediction_log.prediction_ids import HEADER, ids_of_list, new_id
from review_scorer.scoring.scorer import Prediction

_decoder = msgspec.json.Decoder(ScoreRequest)
_encode = msgspec.json.Encoder().encode


class Scores:
    """Stars for one text or many, asked for by ``POST`` with JSON or by ``GET`` with a query.

    Each answer has a name, in its details or the header ``X-Prediction-Id``; of a list, the texts are called by the
    answer's name and their places, ``NAME.0`` and so on.
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
        await self._answer(decode(body, _decoder), len(body), response)

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``?texts=…`` → ``{"score": …}``; ``?texts=…&texts=…`` → ``{"scores": […]}``; also with ``&detail=true``."""
        query = request.scope["query_string"]
        await self._answer(parse_query(query), len(query), response)

    async def _answer(self, asked: ScoreRequest, size: int, response: falcon.asgi.Response) -> None:
        identity = new_id()
        if isinstance(asked.texts, str):
            self._scorer.check(asked.texts)
            with self._admission.accept(1, size):
                (score,) = await self._predict([asked.texts], [identity])
            response.data = _encode(_detail(score, identity) if asked.detail else ScoreAnswer(score.score))
        else:
            check_count(asked.texts, most=self._max_texts)
            self._scorer.check_all(asked.texts)
            with self._admission.accept(len(asked.texts), size):
                ids = ids_of_list(identity, len(asked.texts))
                scores = await self._predict(asked.texts, ids)
            if asked.detail:
                response.data = _encode(DetailsAnswer([_detail(*each) for each in zip(scores, ids, strict=True)]))
            else:
                response.data = _encode(ScoresAnswer([each.score for each in scores]))
        response.content_type = falcon.MEDIA_JSON
        response.set_header(HEADER, identity)


def _detail(detail: Prediction, identity: str) -> ScoreDetail:
    return ScoreDetail(detail.score, detail.interval, detail.vocabulary_coverage, identity)
