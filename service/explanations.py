"""What made a score, word by word."""

import asyncio

import falcon
import falcon.asgi
import msgspec

from service.answers import ExplanationsAnswer
from service.requests import ExplainRequest, check_count, decode
from service.scoring.explaining import Explanation, explain
from service.scoring.scorer import Scorer

_decoder = msgspec.json.Decoder(ExplainRequest)
_encode = msgspec.json.Encoder().encode


class Explanations:
    """What made the stars of one text or many, asked for by ``POST`` with JSON."""

    def __init__(self, scorer: Scorer, *, max_texts: int) -> None:
        self._scorer = scorer
        self._max_texts = max_texts

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score", "base", "rest", "spans": […], "sentences": […]}``.

        A list is answered ``{"explanations": […]}``. Offsets count Unicode code points of the text as it was sent.
        """
        texts = decode(await request.stream.read(), _decoder).texts
        if isinstance(texts, str):
            response.data = _encode(explain(self._scorer, texts))
        else:
            check_count(texts, most=self._max_texts, done="explained")
            response.data = _encode(ExplanationsAnswer(await self._explain_all(texts)))
        response.content_type = falcon.MEDIA_JSON

    async def _explain_all(self, texts: list[str]) -> list[Explanation]:
        self._scorer.check_all(texts)
        explanations = []
        for text in texts:
            explanations.append(explain(self._scorer, text))
            await asyncio.sleep(0)  # the longest texts take 100 ms each: let other requests in between
        return explanations
