"""The Open Inference Protocol: public clients against the real server, and malformed requests."""

import gzip
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import falcon.testing
import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.errors import BadRequestError
from open_inference.openapi.types import InferenceRequest
from tritonclient.utils import InferenceServerException

from review_scorer.api.inference.tensors import read_request
from review_scorer.app import create_app
from review_scorer.errors import RequestError
from review_scorer.scoring.bundle import load
from review_scorer.server.lifecycle import Drain
from review_scorer.settings import Settings
from tests.support.crowd import crowd
from tests.support.running import Server, serving

INFER = "/v2/models/reviews/infer"
LENGTH = "Inference-Header-Content-Length"
REVIEWS = ["すごい！最高に興奮した！楽しい", "この映画は全くだめ、楽しくない。駄作", "😀\n a"]
CLOSE = 1e-9


def original(server: Server, texts: list[str]) -> list[float]:
    """The scores of ``/api/1/users``."""
    scores: list[float] = server.client.post("/api/1/users", json={"texts": texts}).json()["scores"]
    return scores


# Public clients


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def triton_input(texts: list[str], shape: tuple[int, ...], *, binary: bool) -> triton.InferInput:
    tensor = triton.InferInput("texts", shape, "BYTES")
    tensor.set_data_from_numpy(np.array(texts, object).reshape(shape), binary_data=binary)
    return tensor


def scores_of(result: triton.InferResult) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = result.as_numpy("score")
    assert scores.dtype == np.float64
    return scores


def test_the_triton_client_reads_the_metadata_of_server_and_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("reviews")
    assert not client.is_model_ready("films")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata("reviews")
    assert described["inputs"] == [{"name": "texts", "datatype": "BYTES", "shape": [-1]}]
    assert described["outputs"] == [{"name": "score", "datatype": "FP64", "shape": [-1]}]


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize("sent", ["binary", "json"])
@pytest.mark.parametrize("wanted", ["", "binary", "json"])
def test_the_triton_client_gets_the_scores_of_the_native_api(
    server: Server, client: triton.InferenceServerClient, shape: tuple[int, ...], sent: str, wanted: str
) -> None:
    outputs = [triton.InferRequestedOutput("score", binary_data=wanted == "binary")] if wanted else None
    inputs = [triton_input(REVIEWS, shape, binary=sent == "binary")]
    result = client.infer("reviews", inputs, outputs=outputs, request_id="7")
    scores = scores_of(result)
    assert scores.shape == shape
    assert scores.ravel() == pytest.approx(original(server, REVIEWS), abs=CLOSE)
    assert result.get_response()["id"] == "7"
    assert ("data" in result.get_output("score")) is (wanted == "json")


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_the_triton_client_can_compress_its_request(
    server: Server, client: triton.InferenceServerClient, compression: str
) -> None:
    inputs = [triton_input(REVIEWS, (3,), binary=True)]
    scores = scores_of(client.infer("reviews", inputs, request_compression_algorithm=compression))
    assert scores == pytest.approx(original(server, REVIEWS), abs=CLOSE)


def test_the_triton_client_raises_the_error_reason(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"texts\[1\]: the text is empty"):
        client.infer("reviews", [triton_input(["良い", " "], (2,), binary=True)])


def test_the_generated_openapi_client_works(server: Server) -> None:
    with httpx.Client() as connection:
        client = OpenInferenceClient(base_url=server.url, httpx_client=connection)
        client.check_server_liveness()
        client.check_server_readiness()
        client.check_model_readiness("reviews")
        assert client.read_server_metadata().name == "review-scorer"
        assert client.read_model_metadata("reviews").name == "reviews"
        answer = client.model_infer("reviews", request=InferenceRequest.parse_obj(request_of(REVIEWS)))
        (output,) = answer.outputs
        assert output.data.__root__ == pytest.approx(original(server, REVIEWS), abs=CLOSE)
        with pytest.raises(BadRequestError) as refused:
            client.model_infer("reviews", request=InferenceRequest.parse_obj(request_of(REVIEWS, datatype="FP32")))
        assert refused.value.body["error"] == "inputs[0].datatype: FP32 is not supported; send BYTES"


# Malformed requests


def request_of(texts: list[Any] | None, **changes: Any) -> dict[str, Any]:
    """A request for the scores of ``texts`` with ``changes`` to its input; None removes a member."""
    tensor = {"name": "texts", "shape": [len(texts or [])], "datatype": "BYTES", "data": texts, **changes}
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def binary(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def binary_request(sent: bytes, count: int, *, size: int | None = None, **changes: Any) -> dict[str, Any]:
    """The body and the headers of a request with a binary tensor."""
    parameters = {"binary_data_size": len(sent) if size is None else size}
    tensor = {"shape": [count], "parameters": parameters, "data": None, **changes}
    head = json.dumps(request_of([], **tensor)).encode()
    return {"content": head + sent, "headers": {LENGTH: str(len(head))}}


@pytest.fixture(scope="module")
def limited(tiny_bundle: Path) -> Iterator[httpx.Client]:
    """A client of a server with low limits."""
    with serving(tiny_bundle, MAX_CHARS="50", MAX_TEXTS="3", MAX_BYTES="1000") as server:
        yield server.client


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the reason of an error of the protocol."""
    assert set(answer.json()) == {"error"}
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()["error"]


ONE = request_of(["a"])


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("", 400, "request body does not start with valid JSON"),
        ("texts", 400, "request body does not start with valid JSON"),
        (b'{"inputs": [], "x": "\xff"}', 400, "the JSON is not valid UTF-8 at byte 21"),
        ([], 400, "body: Expected `object`, got `array`"),
        ({}, 400, "body: Object missing required field `inputs`"),
        ({"inputs": {}}, 400, "inputs: Expected `array`, got `object`"),
        ({"inputs": []}, 400, "inputs: got []; the model takes one input, 'texts'"),
        (request_of(["a"], name="text"), 400, "inputs: got ['text']; the model takes one input"),
        ({"inputs": ONE["inputs"] * 2}, 400, "inputs: got ['texts', 'texts']"),
        (request_of(["a"], datatype="FP32"), 400, "inputs[0].datatype: FP32 is not supported; send BYTES"),
        (request_of(["a"], datatype="bytes"), 400, "inputs[0].datatype: bytes is not supported"),
        (request_of(["a"], shape=[]), 400, "inputs[0].shape: [] is not supported; send [n] or [n, 1]"),
        (request_of(["a"], shape=[1, 2]), 400, "inputs[0].shape: [1, 2] is not supported"),
        (request_of(["a"], shape=[1, 1, 1]), 400, "inputs[0].shape: [1, 1, 1] is not supported"),
        (request_of(["a"], shape=[-1]), 400, "inputs[0].shape[0]: Expected `int` >= 0"),
        (request_of(["a"], shape=["1"]), 400, "inputs[0].shape[0]: Expected `int`, got `str`"),
        (request_of(["a"], shape=[2]), 400, "inputs[0].data: has 1 texts; the shape [2] requires 2"),
        (request_of(["a", "b"], shape=[1, 1]), 400, "inputs[0].data: has 2 texts"),
        (request_of(["a"], data=[5]), 400, "inputs[0].data[0]: Expected `str | array`, got `int`"),
        (request_of([["a"]]), 400, "inputs[0].data[0]: is a list of 1; the shape [1] requires one text"),
        (request_of([["a", "b"]], shape=[2, 1]), 400, "inputs[0].data[0]: is a list of 2"),
        (request_of([[]], shape=[1, 1]), 400, "inputs[0].data[0]: is a list of 0"),
        (request_of(None, shape=[1]), 400, "inputs[0]: has neither data nor the parameter binary_data_size"),
        (request_of(None, shape=[1], parameters={"shared_memory_region": "x"}), 400, "inputs[0]: has neither data"),
        (request_of(None, shape=[1], parameters={"binary_data_size": 5}), 400, f"{LENGTH}: is missing"),
        (request_of(["a"], parameters={"binary_data_size": 5}), 400, "inputs[0]: has both data and"),
        (request_of(["a"], parameters={"binary_data_size": "5"}), 400, "inputs[0].parameters.binary_data_size: "),
        (request_of(["a"], parameters={"binary_data_size": -5}), 400, "inputs[0].parameters.binary_data_size: "),
        (ONE | {"outputs": [{"name": "stars"}]}, 400, "outputs: got ['stars']; the model has one output"),
        (ONE | {"outputs": [{"name": "score"}] * 2}, 400, "outputs: got ['score', 'score']"),
        (
            ONE | {"outputs": [{"name": "score", "parameters": {"classification": 3}}]},
            400,
            "outputs[0].parameters.classification: not supported; leave it out",
        ),
        (ONE | {"parameters": {"binary_data_output": "yes"}}, 400, "parameters.binary_data_output: Expected `bool`"),
        (ONE | {"id": 5}, 400, "id: Expected `str | null`, got `int`"),
        (request_of([]), 400, "texts: the list is empty"),
        (request_of(["a", ""]), 400, "texts[1]: the text is empty or blank"),
        (request_of(["a\0b"]), 400, "texts[0]: "),
        (request_of(["a\ud800b"]), 400, "request body does not start with valid JSON: "),
        (request_of(["a" * 51]), 413, "texts[0]: "),
        (request_of(["a"] * 4), 413, "texts: the list has 4 texts; send at most 3 per request"),
        (request_of(["a"], shape=[10**30]), 413, "texts: the list has 1,000,000,000,000,000"),
        (request_of(["a" * 1_000]), 413, "request body of 1,0"),
    ],
)
def test_a_malformed_request_gets_the_reason(limited: httpx.Client, body: Any, status: int, reason: str) -> None:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    status_and_reason = refusal(limited.post(INFER, content=content))
    assert status_and_reason[0] == status
    assert status_and_reason[1].startswith(reason)


TWO = binary([b"a", b"bc"])


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (binary_request(TWO, 2, size=10), 400, "inputs[0].parameters.binary_data_size: is 10, but 11 bytes follow"),
        (binary_request(TWO[:-1], 2), 400, "texts[1]: the length is 2, but only 1 bytes are left"),
        (binary_request(TWO[:7], 2), 400, "texts[1]: the data ends at byte 5, before the length of the text"),
        (binary_request(b"", 1), 400, "texts[0]: the data ends at byte 0"),
        (binary_request(TWO, 1), 400, "inputs[0]: 6 bytes follow the last of 1 texts"),
        (binary_request(TWO + b"\0", 2), 400, "inputs[0]: 1 bytes follow the last of 2 texts"),
        (binary_request(TWO, 3), 400, "texts[2]: the data ends at byte 11"),
        (binary_request(b"\xff\xff\xff\xffa", 1), 400, "texts[0]: the length is 4,294,967,295, but only 1 bytes"),
        (binary_request(binary([b"a", b"\xe3\x81"]), 2), 400, "texts[1]: the text is not valid UTF-8 at byte 0"),
        (binary_request(binary([b"\xed\xa0\x80"]), 1), 400, "texts[0]: the text is not valid UTF-8"),
        (binary_request(binary([b"a\0b"]), 1), 400, "texts[0]: "),
        (binary_request(binary([b"a"] * 4), 4), 413, "texts: the list has 4 texts"),
        (binary_request(TWO, 2, data=["a", "bc"]), 400, "inputs[0]: has both data and"),
        (binary_request(TWO, 2) | {"headers": {LENGTH: "-1"}}, 400, f"{LENGTH}: '-1' is invalid; send the length"),
        (binary_request(TWO, 2) | {"headers": {LENGTH: "9999"}}, 400, f"{LENGTH}: '9999' is invalid"),
        (binary_request(TWO, 2) | {"headers": {LENGTH: "1e2"}}, 400, f"{LENGTH}: '1e2' is invalid"),
        (binary_request(TWO, 2) | {"headers": {LENGTH: "0"}}, 400, "request body does not start with valid JSON"),
        (binary_request(TWO, 2) | {"headers": {}}, 400, "request body does not start with valid JSON"),
        (
            {"content": json.dumps(ONE) + "abc", "headers": {LENGTH: str(len(json.dumps(ONE)))}},
            400,
            "body: 3 bytes follow",
        ),
        (
            {"content": json.dumps(ONE), "headers": {"Content-Encoding": "br"}},
            400,
            "Content-Encoding: 'br' is not supported",
        ),
        (
            {"content": json.dumps(ONE), "headers": {"Content-Encoding": "gzip"}},
            400,
            "Content-Encoding: request body is not valid",
        ),
        (
            {"content": gzip.compress(json.dumps(ONE).encode())[:-9], "headers": {"Content-Encoding": "gzip"}},
            400,
            "Content-Encoding: request body is not valid gzip: unexpected end of data",
        ),
        (
            {"content": zlib.compress(json.dumps(ONE).encode()) + b"x", "headers": {"Content-Encoding": "deflate"}},
            400,
            "Content-Encoding: request body is not valid deflate: unexpected data after the end",
        ),
        (
            {"content": gzip.compress(b" " * 100_000), "headers": {"Content-Encoding": "gzip"}},
            413,
            "request body exceeds 1,000 bytes after decompression",
        ),
    ],
)
def test_malformed_binary_data_gets_the_reason(
    limited: httpx.Client, options: dict[str, Any], status: int, reason: str
) -> None:
    status_and_reason = refusal(limited.post(INFER, **options))
    assert status_and_reason[0] == status
    assert status_and_reason[1].startswith(reason)


def test_an_answer_has_the_id_of_the_request_and_no_other_members(limited: httpx.Client) -> None:
    answer = limited.post(INFER, content=json.dumps(ONE | {"id": "7", "outputs": []})).json()
    assert answer["model_name"] == "reviews"
    assert answer["id"] == "7"
    assert set(answer) == {"model_name", "id", "outputs"}
    assert "id" not in limited.post(INFER, content=json.dumps(ONE)).json()


@pytest.mark.parametrize("path", ["/v2/models", "/v2/models/films", "/v2/models/reviews/versions/1/infer", "/v2/x"])
def test_an_unknown_path_gets_the_error_of_the_protocol(limited: httpx.Client, path: str) -> None:
    status_and_reason = refusal(limited.get(path))
    assert status_and_reason == (404, f"no resource at {path}; scores are at {INFER}")


def test_a_wrong_method_gets_the_allowed_ones(limited: httpx.Client) -> None:
    result = limited.get(INFER)
    assert refusal(result)[0] == 405
    assert "POST" in result.headers["allow"]


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/reviews/ready"])
def test_a_draining_instance_is_not_ready(tiny_bundle: Path, path: str) -> None:
    drain = Drain()
    app = create_app(load(tiny_bundle).scorer, probe="良い", facts={}, settings=Settings(), drain=drain)
    client = falcon.testing.TestClient(app)
    assert client.simulate_get(path).json["ready"] is True
    drain.start()
    refused = client.simulate_get(path)
    assert refused.status_code == 503
    assert refused.json == {"error": "this instance is shutting down; send new requests to another one"}
    assert client.simulate_get("/v2/health/live").json == {"live": True}


def test_overload_gets_the_error_of_the_protocol(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, MAX_PENDING_TEXTS="2") as small:
        many = json.dumps({"texts": REVIEWS * 300}).encode()
        with crowd(small, [many], clients=6), httpx.Client(base_url=small.url) as client:
            answers = [client.post(INFER, json=request_of(REVIEWS)) for _ in range(100)]
            alive = client.get("/v2/health/live")
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["error"] for answer in refused} == {"the service is overloaded; retry in 1 second"}
    assert alive.status_code == 200


def test_a_late_body_gets_the_error_of_the_protocol(server: Server) -> None:
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode())
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read())["error"].startswith("request body incomplete after 1 s")


# The parser alone


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=20))
def test_binary_texts_round_trip(texts: list[str]) -> None:
    sent = binary_request(binary([text.encode() for text in texts]), len(texts))
    assert read_request(sent["content"], sent["headers"][LENGTH], max_texts=20).texts == texts


@given(st.binary(max_size=60), st.integers(1, 5))
def test_binary_data_is_read_completely_or_refused_with_the_field(data: bytes, count: int) -> None:
    sent = binary_request(data, count)
    texts, refused = [], None
    try:
        texts = read_request(sent["content"], sent["headers"][LENGTH], max_texts=5).texts
    except RequestError as error:
        refused = error
    if refused:
        assert refused.code in {"tensor_invalid", "utf8_invalid"}
        assert refused.field
    else:
        assert binary([text.encode() for text in texts]) == data
        assert len(texts) == count


@given(st.binary(max_size=80), st.one_of(st.none(), st.text(max_size=4)))
def test_a_random_body_raises_a_request_error(body: bytes, header: str | None) -> None:
    with pytest.raises(RequestError):
        read_request(body, header, max_texts=5)


@pytest.mark.parametrize("begin", [b'{"x": ', b'{"inputs": [{"name": "texts", "parameters": {"x": '])
def test_deeply_nested_json_is_refused(begin: bytes) -> None:
    with pytest.raises(RequestError, match="nested too deeply"):
        read_request(begin + b"[" * 100_000, None, max_texts=5)
