"""Texts out of a request's bytes, and scores into an answer's: JSON, and the binary tensors that may follow it."""

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
    InferenceAnswer,
    InferenceInput,
    InferenceOutput,
    InferenceRequest,
    OutputParameters,
    RequestParameters,
    ScoreTensor,
)
from review_scorer.api.parsing import check_number
from review_scorer.errors import RequestError

_decoder = msgspec.json.Decoder(InferenceRequest)
_encode = msgspec.json.Encoder().encode
_LENGTH = struct.Struct("<I")


class Asked(NamedTuple):
    """What is asked for: the scores of ``texts`` in ``shape``, as JSON or in binary, under the request's ``id``."""

    texts: list[str]
    shape: list[int]
    binary: bool
    id: str | None


def read(body: bytes, header_length: str | None, *, max_texts: int) -> Asked:
    """Return what a request asks for.

    ``header_length`` is the value of the header ``Inference-Header-Content-Length``, the length of the JSON, after
    which binary tensors stand. Raises a ``RequestError`` that names what is wrong and what would be right.
    """
    end = len(body) if header_length is None else _json_length(header_length, len(body))
    request = _decode(body[:end])
    tensor = _the_input(request.inputs)
    count = _count(tensor.shape, max_texts)
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    left = len(body) - end
    if size is None:
        if left:
            raise _wrong(f"{left:,} bytes follow the JSON, but no input has a binary_data_size", "body")
        texts = _listed(tensor)
    else:
        _check_binary(tensor, size, left, announced=header_length is not None)
        texts = list(_elements(memoryview(body)[end:], count))
    if len(texts) != count:
        raise _wrong(f"it has {len(texts):,} texts, its shape {tensor.shape} wants {count:,}", "inputs[0].data")
    return Asked(texts, tensor.shape, _wants_binary(request), request.id)


def write(scores: Sequence[float], asked: Asked) -> tuple[bytes, int | None]:
    """Return the answer, and the length of the JSON that it starts with where binary scores follow; else None."""
    tensor = ScoreTensor(OUTPUT, asked.shape, OUTPUT_TYPE)
    answer = InferenceAnswer(MODEL, [tensor], asked.id)
    if not asked.binary:
        tensor.data = list(scores)
        return _encode(answer), None
    binary = struct.pack(f"<{len(scores)}d", *scores)
    tensor.parameters = BinaryParameters(len(binary))
    head = _encode(answer)
    return head + binary, len(head)


def _json_length(value: str, size: int) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value) or int(value) > size:
        reason = f"it is {value!r}; send the length of the JSON, at most the body's {size:,} bytes"
        raise _wrong(reason, "Inference-Header-Content-Length")
    return int(value)


def _decode(content: bytes) -> InferenceRequest:
    try:
        # msgspec does not look into the members that it skips.
        content.decode()
        return _decoder.decode(content)
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"the JSON is not UTF-8 at byte {error.start}: {error.reason}") from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise _wrong(message, path.strip(".`") or "body") from None
    except RecursionError:
        raise RequestError("json_invalid", "the JSON is nested too deeply; send inputs alone") from None
    except msgspec.DecodeError as error:
        raise RequestError("json_invalid", f"the body does not start with the JSON of a request: {error}") from None


def _the_input(inputs: Sequence[InferenceInput]) -> InferenceInput:
    names = [tensor.name for tensor in inputs]
    if names != [INPUT]:
        raise _wrong(f"there are {names}; the model takes one input, {INPUT!r}", "inputs")
    if inputs[0].datatype != INPUT_TYPE:
        raise _wrong(f"it is {inputs[0].datatype}; send {INPUT_TYPE}", "inputs[0].datatype")
    return inputs[0]


def _count(shape: Sequence[int], max_texts: int) -> int:
    if len(shape) not in {1, 2} or shape[1:] not in ([], [1]):
        raise _wrong(f"it is {shape}; send [n] or [n, 1]", "inputs[0].shape")
    check_number(shape[0], most=max_texts)
    return shape[0]


def _listed(tensor: InferenceInput) -> list[str]:
    if tensor.data is None:
        raise _wrong("it has neither data nor the parameter binary_data_size; send one of them", "inputs[0]")
    texts = []
    for index, each in enumerate(tensor.data):
        row = [each] if isinstance(each, str) else each
        if len(row) != 1 or (row is each and len(tensor.shape) == 1):
            reason = f"it is a list of {len(row)}; the shape {tensor.shape} has one text here"
            raise _wrong(reason, f"inputs[0].data[{index}]")
        texts += row
    return texts


def _check_binary(tensor: InferenceInput, size: int, left: int, *, announced: bool) -> None:
    if tensor.data is not None:
        raise _wrong("it has both data and the parameter binary_data_size; send one of them", "inputs[0]")
    if not announced:
        raise _wrong(
            "it is missing; binary data follows the JSON, so send its length", "Inference-Header-Content-Length"
        )
    if size != left:
        reason = f"it is {size:,}, but {left:,} bytes follow the JSON"
        raise _wrong(reason, "inputs[0].parameters.binary_data_size")


def _elements(data: memoryview, count: int) -> Iterator[str]:
    """Yield ``count`` elements: each four bytes of little-endian length, then so many bytes of UTF-8."""
    start = 0
    for index in range(count):
        if len(data) - start < _LENGTH.size:
            raise _wrong(f"the data ends at byte {start:,} of it, where its length is due", f"texts[{index}]")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if length > len(data) - start:
            reason = f"its length is {length:,}, but only {len(data) - start:,} bytes are left"
            raise _wrong(reason, f"texts[{index}]")
        try:
            yield str(data[start : start + length], "utf-8")
        except UnicodeDecodeError as error:
            reason = f"the text is not UTF-8 at byte {error.start}: {error.reason}"
            raise RequestError("utf8_invalid", reason, field=f"texts[{index}]") from None
        start += length
    if start < len(data):
        raise _wrong(f"{len(data) - start:,} bytes follow the last of {count:,} texts", "inputs[0]")


def _wants_binary(request: InferenceRequest) -> bool:
    binary = (request.parameters or RequestParameters()).binary_data_output
    if not request.outputs:
        return binary
    names = [output.name for output in request.outputs]
    if names != [OUTPUT]:
        raise _wrong(f"{names} are asked for; the model has one output, {OUTPUT!r}", "outputs")
    return _output_parameters(request.outputs[0], binary=binary)


def _output_parameters(output: InferenceOutput, *, binary: bool) -> bool:
    wanted = output.parameters or OutputParameters()
    for name in ("classification", "shared_memory_region"):
        if getattr(wanted, name) is not None:
            raise _wrong("it is not supported; leave it out", f"outputs[0].parameters.{name}")
    return binary if wanted.binary_data is None else wanted.binary_data


def _wrong(reason: str, field: str) -> RequestError:
    return RequestError("tensor_invalid", reason, field=field)
