"""Explanations of scores, word by word and sentence by sentence: ``/api/1/explain``."""

from collections.abc import Sequence

import falcon
import falcon.asgi
import msgspec

from review_scorer.api.parsing import ExplainRequest, check_count, parse_body
from review_scorer.api.schemas import ExplanationListResponse
from review_scorer.capacity.admission import Admission
from review_scorer.scoring.explanation import Explanation, explain
from review_scorer.scoring.scorer import Scorer
from review_scorer.telemetry.middleware import RequestEvents

_decoder = msgspec.json.Decoder(ExplainRequest)
_encode = msgspec.json.Encoder().encode


# Explaining a text takes about as long as scoring this many.
_COST = 10


class Explanations:
    """Explains the scores of texts sent by ``POST`` as JSON."""

    def __init__(self, scorer: Scorer, admission: Admission, events: RequestEvents, *, max_texts: int) -> None:
        self._scorer = scorer
        self._admission = admission
        self._events = events
        self._max_texts = max_texts

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """``{"texts": "…"}`` → ``{"score", "base", "rest", "spans": […], "sentences": […]}``.

        The answer to a list is ``{"explanations": […]}``. Offsets count Unicode code points of the text as sent.
        """
        body = await request.stream.read()
        texts = parse_body(body, _decoder).texts
        if isinstance(texts, str):
            self._scorer.check(texts)
            with self._admission.accept(_COST, len(body)):
                response.data = _encode((await self._explain([texts]))[0])
        else:
            check_count(len(texts), max_texts=self._max_texts)
            self._scorer.check_all(texts)
            with self._admission.accept(_COST * len(texts), len(body)):
                response.data = _encode(ExplanationListResponse(await self._explain(texts)))
        response.content_type = falcon.MEDIA_JSON

    async def _explain(self, texts: list[str]) -> list[Explanation]:
        """Return the explanations of ``texts``. Each text is queued on its own."""
        explanations = await self._admission.queue.run(self._explain_each, texts, slice_size=1)
        self._events.record(texts)
        return explanations

    def _explain_each(self, texts: Sequence[str]) -> list[Explanation]:
        return [explain(self._scorer, text) for text in texts]
