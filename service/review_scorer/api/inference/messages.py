"""What the protocol says, as types: the decoder reads requests into them, and the description is made from them."""

from typing import Annotated, Final, Literal

import msgspec

from review_scorer.api.schemas import Stars

MODEL: Final = "reviews"
INPUT: Final = "texts"
INPUT_TYPE: Final = "BYTES"
OUTPUT: Final = "score"
OUTPUT_TYPE: Final = "FP64"

Shape = Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(examples=[[2]])]
_InputName = Annotated[str, msgspec.Meta(examples=[INPUT])]
_OutputName = Annotated[str, msgspec.Meta(examples=[OUTPUT])]


class InputParameters(msgspec.Struct):
    """How an input is sent: with ``binary_data_size``, that many bytes of it follow the JSON."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class InferenceInput(msgspec.Struct):
    """A tensor of texts, of the shape ``[n]`` or ``[n, 1]``: in ``data``, or in binary after the JSON."""

    name: _InputName
    shape: Shape
    datatype: Annotated[str, msgspec.Meta(examples=[INPUT_TYPE])]
    parameters: InputParameters | None = None
    data: list[str | list[str]] | None = None


class OutputParameters(msgspec.Struct):
    """How an output is wanted: ``binary_data`` overrides what the request says of all; the others are not offered."""

    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class InferenceOutput(msgspec.Struct):
    """An output that is asked for."""

    name: _OutputName
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """How all outputs are wanted: as JSON, or in binary after it."""

    binary_data_output: bool = False


class InferenceRequest(msgspec.Struct):
    """What is asked for: the stars of each text of one tensor."""

    inputs: list[InferenceInput]
    id: Annotated[str, msgspec.Meta(examples=["42"])] | None = None
    parameters: RequestParameters | None = None
    outputs: list[InferenceOutput] | None = None


class BinaryParameters(msgspec.Struct):
    """How an output is sent: that many bytes of it follow the JSON."""

    binary_data_size: int


class ScoreTensor(msgspec.Struct, omit_defaults=True):
    """The stars of each text, in the shape of the input: in ``data``, or in binary after the JSON."""

    name: _OutputName
    shape: Shape
    datatype: Literal["FP64"]
    parameters: BinaryParameters | None = None
    data: list[Stars] | None = None


class InferenceAnswer(msgspec.Struct, omit_defaults=True):
    """The stars; ``id`` is the request's own."""

    model_name: Literal["reviews"]
    outputs: list[ScoreTensor]
    id: str | None = None


class InferenceError(msgspec.Struct):
    """The protocol's shape of every error."""

    error: Annotated[str, msgspec.Meta(examples=["inputs[0].datatype: it is INT64; send BYTES"])]


class TensorMetadata(msgspec.Struct):
    """A tensor of the model; -1 stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """What the model takes and gives."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct):
    """Who answers, and which extensions of the protocol it knows."""

    name: str
    version: str
    extensions: list[str]


class LiveAnswer(msgspec.Struct):
    """Whether the process is alive."""

    live: bool


class ReadyAnswer(msgspec.Struct):
    """Whether requests should be sent here."""

    ready: bool


class ModelReadyAnswer(msgspec.Struct):
    """Whether requests for the model should be sent here."""

    name: str
    ready: bool
