"""Messages of the Open Inference Protocol as types, for decoding, encoding and the OpenAPI document."""

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
    """Parameters of an input. ``binary_data_size`` is the size in bytes of its binary data after the JSON."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class InferenceInput(msgspec.Struct):
    """Tensor of texts with the shape ``[n]`` or ``[n, 1]``. The texts are in ``data``, or binary after the JSON."""

    name: _InputName
    shape: Shape
    datatype: Annotated[str, msgspec.Meta(examples=[INPUT_TYPE])]
    parameters: InputParameters | None = None
    data: list[str | list[str]] | None = None


class OutputParameters(msgspec.Struct):
    """Parameters of an output.

    ``binary_data`` overrides ``binary_data_output`` of the request. ``classification`` and ``shared_memory_region``
    are not supported.
    """

    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class InferenceOutput(msgspec.Struct):
    """Requested output."""

    name: _OutputName
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """Parameters of a request. With ``binary_data_output``, outputs are binary data after the JSON."""

    binary_data_output: bool = False


class InferenceRequest(msgspec.Struct):
    """Request for the stars of each text of one tensor."""

    inputs: list[InferenceInput]
    id: Annotated[str, msgspec.Meta(examples=["42"])] | None = None
    parameters: RequestParameters | None = None
    outputs: list[InferenceOutput] | None = None


class BinaryParameters(msgspec.Struct):
    """Parameters of a binary output. ``binary_data_size`` is the size in bytes of its data after the JSON."""

    binary_data_size: int


class ScoreTensor(msgspec.Struct, omit_defaults=True):
    """Stars of each text, in the shape of the input. They are in ``data``, or binary after the JSON."""

    name: _OutputName
    shape: Shape
    datatype: Literal["FP64"]
    parameters: BinaryParameters | None = None
    data: list[Stars] | None = None


class InferenceResponse(msgspec.Struct, omit_defaults=True):
    """Predicted stars. ``id`` is that of the request."""

    model_name: Literal["reviews"]
    outputs: list[ScoreTensor]
    id: str | None = None


class InferenceError(msgspec.Struct):
    """Body of every error of the protocol."""

    error: Annotated[str, msgspec.Meta(examples=["inputs[0].datatype: INT64 is not supported; send BYTES"])]


class TensorMetadata(msgspec.Struct):
    """Input or output of the model. A dimension of -1 is of any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """Name, platform, inputs and outputs of the model."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct):
    """Name, version and supported protocol extensions of the server."""

    name: str
    version: str
    extensions: list[str]


class LiveResponse(msgspec.Struct):
    """Liveness of the process."""

    live: bool


class ReadyResponse(msgspec.Struct):
    """Readiness of the instance."""

    ready: bool


class ModelReadyResponse(msgspec.Struct):
    """Readiness of the model."""

    name: str
    ready: bool
