"""Resources under ``/v2``: server, model and inference."""

from typing import Any

import falcon
import falcon.asgi

from review_scorer import __version__
from review_scorer.api.fixed_json import FixedJSON
from review_scorer.api.health import Readiness
from review_scorer.api.inference.compression import decompress
from review_scorer.api.inference.messages import (
    INPUT,
    INPUT_TYPE,
    MODEL,
    OUTPUT,
    OUTPUT_TYPE,
    LiveResponse,
    ModelMetadata,
    ModelReadyResponse,
    ReadyResponse,
    ServerMetadata,
    TensorMetadata,
)
from review_scorer.api.inference.tensors import encode_response, read_request
from review_scorer.api.predictor import Predictor
from review_scorer.prediction_log.prediction_ids import HEADER, ids_of_list, new_id

_SERVER = ServerMetadata("review-scorer", __version__, ["binary_tensor_data"])
_MODEL = ModelMetadata(
    MODEL,
    "lightgbm",
    [TensorMetadata(INPUT, INPUT_TYPE, [-1])],
    [TensorMetadata(OUTPUT, OUTPUT_TYPE, [-1])],
)

_JSON_LENGTH = "Inference-Header-Content-Length"
_BINARY = "application/octet-stream"


class Inference:
    """Scores the texts of a tensor."""

    def __init__(self, predictor: Predictor, *, max_texts: int, max_bytes: int) -> None:
        self._scorer = predictor.scorer
        self._admission = predictor.admission
        self._predict = predictor.predict
        self._max_texts = max_texts
        self._max_bytes = max_bytes

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Texts as ``BYTES`` of the shape ``[n]`` or ``[n, 1]`` → stars as ``FP64`` of the same shape."""
        body = await request.stream.read()
        body = decompress(body, request.get_header("Content-Encoding"), max_bytes=self._max_bytes)
        tensor = read_request(body, request.get_header(_JSON_LENGTH), max_texts=self._max_texts)
        texts = self._scorer.check_all(tensor.texts)
        prediction_id = new_id()
        response.set_header(HEADER, prediction_id)
        with self._admission.accept(len(texts), len(body)):
            predictions = await self._predict(texts, ids_of_list(prediction_id, len(texts)))
        scores = [prediction.score for prediction in predictions]
        response.data, json_length = encode_response(scores, tensor)
        response.content_type = falcon.MEDIA_JSON if json_length is None else _BINARY
        if json_length is not None:
            response.set_header(_JSON_LENGTH, str(json_length))


def install(app: falcon.asgi.App[Any, Any], inference: Inference, readiness: Readiness) -> None:
    """Add the paths under ``/v2`` to ``app``."""
    app.add_route("/v2", FixedJSON(_SERVER))
    app.add_route("/v2/health/live", FixedJSON(LiveResponse(live=True)))
    app.add_route("/v2/health/ready", FixedJSON(ReadyResponse(ready=True), readiness.check))
    app.add_route(f"/v2/models/{MODEL}", FixedJSON(_MODEL))
    app.add_route(f"/v2/models/{MODEL}/ready", FixedJSON(ModelReadyResponse(MODEL, ready=True), readiness.check))
    app.add_route(f"/v2/models/{MODEL}/infer", inference)
