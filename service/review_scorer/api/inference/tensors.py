"""Reads the texts of a request and encodes the scores of an answer, as JSON or as binary data after the JSON."""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from review_scorer.api.inference.messages import (
    INPUT,
    INPUT_TYPE,
    MODEL,
    OUTPUT,
    OUTPUT_TYPE,
    BinaryParameters,
    InferenceInput,
    InferenceRequest,
    InferenceResponse,
    OutputParameters,
    RequestParameters,
    ScoreTensor,
)
from review_scorer.api.parsing import check_count
from review_scorer.errors import RequestError

_decoder = msgspec.json.Decoder(InferenceRequest)
_encode = msgspec.json.Encoder().encode
_LENGTH = struct.Struct("<I")


class TextTensor(NamedTuple):
    """Texts of a request and their ``shape``.

    ``binary`` tells whether the scores are wanted as binary data. ``id`` is that of the request.
    """

    texts: list[str]
    shape: list[int]
    binary: bool
    id: str | None


def read_request(body: bytes, json_length: str | None, *, max_texts: int) -> TextTensor:
    """Return the texts of a request.

    ``json_length`` is the value of the header ``Inference-Header-Content-Length``: the length of the JSON in bytes,
    after which the binary data starts. Raises ``RequestError`` with the field that is invalid.
    """
    end = len(body) if json_length is None else _parse_json_length(json_length, len(body))
    request = _decode(body[:end])
    tensor = _only_input(request.inputs)
    count = _count(tensor.shape, max_texts)
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    trailing = len(body) - end
    if size is None:
        if trailing:
            reason = f"{trailing:,} bytes follow the JSON, but no input has binary_data_size"
            raise _invalid(reason, "body")
        texts = _json_texts(tensor)
    else:
        _check_binary(tensor, size, trailing, has_json_length=json_length is not None)
        texts = list(_binary_texts(memoryview(body)[end:], count))
    if len(texts) != count:
        reason = f"has {len(texts):,} texts; the shape {tensor.shape} requires {count:,}"
        raise _invalid(reason, "inputs[0].data")
    return TextTensor(texts, tensor.shape, _wants_binary(request), request.id)


def encode_response(scores: Sequence[float], request: TextTensor) -> tuple[bytes, int | None]:
    """Return the body of the answer, and the length of its JSON in bytes if binary scores follow it, else None."""
    tensor = ScoreTensor(OUTPUT, request.shape, OUTPUT_TYPE)
    response = InferenceResponse(MODEL, [tensor], request.id)
    if not request.binary:
        tensor.data = list(scores)
        return _encode(response), None
    binary = struct.pack(f"<{len(scores)}d", *scores)
    tensor.parameters = BinaryParameters(len(binary))
    head = _encode(response)
    return head + binary, len(head)


def _parse_json_length(value: str, size: int) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value) or int(value) > size:
        reason = f"{value!r} is invalid; send the length of the JSON, at most the body's {size:,} bytes"
        raise _invalid(reason, "Inference-Header-Content-Length")
    return int(value)


def _decode(content: bytes) -> InferenceRequest:
    try:
        # msgspec does not validate the UTF-8 of members that it skips.
        content.decode()
        return _decoder.decode(content)
    except UnicodeDecodeError as error:
        reason = f"the JSON is not valid UTF-8 at byte {error.start}: {error.reason}"
        raise RequestError("utf8_invalid", reason) from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise _invalid(message, path.strip(".`") or "body") from None
    except RecursionError:
        raise RequestError("json_invalid", "the JSON is nested too deeply; send inputs alone") from None
    except msgspec.DecodeError as error:
        raise RequestError("json_invalid", f"request body does not start with valid JSON: {error}") from None


def _only_input(inputs: Sequence[InferenceInput]) -> InferenceInput:
    names = [tensor.name for tensor in inputs]
    if names != [INPUT]:
        raise _invalid(f"got {names}; the model takes one input, {INPUT!r}", "inputs")
    if inputs[0].datatype != INPUT_TYPE:
        raise _invalid(f"{inputs[0].datatype} is not supported; send {INPUT_TYPE}", "inputs[0].datatype")
    return inputs[0]


def _count(shape: Sequence[int], max_texts: int) -> int:
    if len(shape) not in {1, 2} or shape[1:] not in ([], [1]):
        raise _invalid(f"{shape} is not supported; send [n] or [n, 1]", "inputs[0].shape")
    check_count(shape[0], max_texts=max_texts)
    return shape[0]


def _json_texts(tensor: InferenceInput) -> list[str]:
    if tensor.data is None:
        raise _invalid("has neither data nor the parameter binary_data_size; send one of them", "inputs[0]")
    texts = []
    for index, item in enumerate(tensor.data):
        row = [item] if isinstance(item, str) else item
        if len(row) != 1 or (row is item and len(tensor.shape) == 1):
            reason = f"is a list of {len(row)}; the shape {tensor.shape} requires one text"
            raise _invalid(reason, f"inputs[0].data[{index}]")
        texts += row
    return texts


def _check_binary(tensor: InferenceInput, size: int, trailing: int, *, has_json_length: bool) -> None:
    if tensor.data is not None:
        raise _invalid("has both data and the parameter binary_data_size; send one of them", "inputs[0]")
    if not has_json_length:
        reason = "is missing; binary data requires the length of the JSON before it"
        raise _invalid(reason, "Inference-Header-Content-Length")
    if size != trailing:
        reason = f"is {size:,}, but {trailing:,} bytes follow the JSON"
        raise _invalid(reason, "inputs[0].parameters.binary_data_size")


def _binary_texts(data: memoryview, count: int) -> Iterator[str]:
    """Yield ``count`` texts. Each is a length in bytes, 4 bytes little-endian, followed by the text as UTF-8."""
    start = 0
    for index in range(count):
        if len(data) - start < _LENGTH.size:
            raise _invalid(f"the data ends at byte {start:,}, before the length of the text", f"texts[{index}]")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if length > len(data) - start:
            reason = f"the length is {length:,}, but only {len(data) - start:,} bytes are left"
            raise _invalid(reason, f"texts[{index}]")
        try:
            yield str(data[start : start + length], "utf-8")
        except UnicodeDecodeError as error:
            reason = f"the text is not valid UTF-8 at byte {error.start}: {error.reason}"
            raise RequestError("utf8_invalid", reason, field=f"texts[{index}]") from None
        start += length
    if start < len(data):
        raise _invalid(f"{len(data) - start:,} bytes follow the last of {count:,} texts", "inputs[0]")


def _wants_binary(request: InferenceRequest) -> bool:
    binary = (request.parameters or RequestParameters()).binary_data_output
    if not request.outputs:
        return binary
    names = [output.name for output in request.outputs]
    if names != [OUTPUT]:
        raise _invalid(f"got {names}; the model has one output, {OUTPUT!r}", "outputs")
    parameters = request.outputs[0].parameters or OutputParameters()
    for name in ("classification", "shared_memory_region"):
        if getattr(parameters, name) is not None:
            raise _invalid("not supported; leave it out", f"outputs[0].parameters.{name}")
    return binary if parameters.binary_data is None else parameters.binary_data


def _invalid(reason: str, field: str) -> RequestError:
    return RequestError("tensor_invalid", reason, field=field)
