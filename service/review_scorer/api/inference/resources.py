"""What is answered under ``/v2``: the server, its one model, and the model's scores."""

from typing import Any

import falcon
import falcon.asgi
import msgspec

from review_scorer import __version__
from review_scorer.api.health import Readiness
from review_scorer.api.inference.compression import inflate
from review_scorer.api.inference.messages import (
    INPUT,
    INPUT_TYPE,
    MODEL,
    OUTPUT,
    OUTPUT_TYPE,
    LiveAnswer,
    ModelMetadata,
    ModelReadyAnswer,
    ReadyAnswer,
    ServerMetadata,
    TensorMetadata,
)
from review_scorer.api.inference.tensors import read, write
from review_scorer.api.predictor import Predictor
from review_scorer.prediction_log.prediction_ids import HEADER, ids_of_list, new_id

SERVER = ServerMetadata("review-scorer", __version__, ["binary_tensor_data"])
DESCRIBED = ModelMetadata(
    MODEL,
    "lightgbm",
    [TensorMetadata(INPUT, INPUT_TYPE, [-1])],
    [TensorMetadata(OUTPUT, OUTPUT_TYPE, [-1])],
)

_JSON_LENGTH = "Inference-Header-Content-Length"
_BINARY = "application/octet-stream"


class Fact:
    """What is always answered in the same way."""

    def __init__(self, answer: msgspec.Struct) -> None:
        self._body = msgspec.json.encode(answer)

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer it as JSON."""
        response.data = self._body
        response.content_type = falcon.MEDIA_JSON


class FactOnceReady(Fact):
    """What is answered in the same way as long as requests should be sent here."""

    def __init__(self, answer: msgspec.Struct, readiness: Readiness) -> None:
        super().__init__(answer)
        self._readiness = readiness

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer it as JSON, or 503."""
        self._readiness.check()
        await super().on_get(request, response)


class Inference:
    """The stars of each text of a tensor."""

    def __init__(self, predictor: Predictor, *, max_texts: int, max_bytes: int) -> None:
        self._scorer = predictor.scorer
        self._admission = predictor.admission
        self._predict = predictor.predict
        self._max_texts = max_texts
        self._max_bytes = max_bytes

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Texts as ``BYTES`` of the shape ``[n]`` or ``[n, 1]`` → stars as ``FP64`` of the same shape."""
        body = await request.stream.read()
        body = inflate(body, request.get_header("Content-Encoding"), most=self._max_bytes)
        asked = read(body, request.get_header(_JSON_LENGTH), max_texts=self._max_texts)
        self._scorer.check_all(asked.texts)
        identity = new_id()
        response.set_header(HEADER, identity)
        with self._admission.accept(len(asked.texts), len(body)):
            details = await self._predict(asked.texts, ids_of_list(identity, len(asked.texts)))
        response.data, json_length = write([detail.score for detail in details], asked)
        response.content_type = falcon.MEDIA_JSON if json_length is None else _BINARY
        if json_length is not None:
            response.set_header(_JSON_LENGTH, str(json_length))


def install(app: falcon.asgi.App[Any, Any], inference: Inference, readiness: Readiness) -> None:
    """Let ``app`` answer under ``/v2``."""
    app.add_route("/v2", Fact(SERVER))
    app.add_route("/v2/health/live", Fact(LiveAnswer(live=True)))
    app.add_route("/v2/health/ready", FactOnceReady(ReadyAnswer(ready=True), readiness))
    app.add_route(f"/v2/models/{MODEL}", Fact(DESCRIBED))
    app.add_route(f"/v2/models/{MODEL}/ready", FactOnceReady(ModelReadyAnswer(MODEL, ready=True), readiness))
    app.add_route(f"/v2/models/{MODEL}/infer", inference)
