"""Generates the OpenAPI 3.1 document from the table of operations and the types of requests and answers.

Reference: https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import falcon
import msgspec

from review_scorer import __version__
from review_scorer.api.inference.messages import InferenceError
from review_scorer.api.openapi.error_descriptions import ERROR_DESCRIPTIONS
from review_scorer.api.openapi.operations import OPERATIONS, Operation
from review_scorer.api.schemas import ErrorDetail, ErrorResponse
from review_scorer.errors import STATUS

_API_KEY = "apiKey"
_SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "description": "API key, if the service requires one"}
# By the first part of a path.
_TAGS = {"api": "reviews", "v2": "Open Inference Protocol"}
_ERROR_EXAMPLES: Mapping[type, Callable[[str], msgspec.Struct]] = {
    ErrorResponse: lambda code: ErrorResponse(ErrorDetail(code, None, ERROR_DESCRIPTIONS[code])),
    InferenceError: lambda code: InferenceError(ERROR_DESCRIPTIONS[code]),
}


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document, ready to be encoded as JSON."""
    operations = [operation for methods in OPERATIONS.values() for operation in methods.values()]
    used = ((operation.request, operation.error_type, *operation.responses) for operation in operations)
    types = sorted({each for group in used for each in group if each}, key=str)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Review scorer",
            "version": __version__,
            "description": "Predicts the stars, 1 to 5, of Japanese reviews.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            path: {method: _operation(each, path, method, by_type, components) for method, each in methods.items()}
            for path, methods in OPERATIONS.items()
        },
        "components": {"schemas": _as_markdown(components), "securitySchemes": {_API_KEY: _SECURITY_SCHEME}},
    }


def _operation(
    operation: Operation,
    path: str,
    method: str,
    schemas: Mapping[Any, dict[str, Any]],
    components: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [_TAGS.get(path.split("/")[1], "service")],
        "responses": {
            "200": _success(operation, [schemas[each] for each in operation.responses]),
            **_errors(operation.errors, schemas[operation.error_type], _ERROR_EXAMPLES[operation.error_type]),
        },
    }
    if operation.description:
        described["description"] = operation.description
    if "unauthorized" in operation.errors:
        described["security"] = [{}, {_API_KEY: []}]
    if operation.files:
        described["requestBody"] = {"required": True, "content": _file_content(operation.files)}
        described["parameters"] = [
            {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}
            for name, description in operation.parameters.items()
        ]
    elif operation.request and method == "get":
        described["parameters"] = _query_parameters(components[operation.request.__name__], operation.examples)
    elif operation.request:
        body = {"schema": schemas[operation.request], "examples": _named(operation.examples)}
        described["requestBody"] = {"required": True, "content": {falcon.MEDIA_JSON: body}}
    return described


def _file_content(examples: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of a request with a file: as it is, compressed with gzip, or in a form."""
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    plain = {media_type: {"schema": {"type": "string"}, "example": example} for media_type, example in examples.items()}
    return plain | {
        "application/gzip": {"schema": {"type": "string", "format": "binary"}},
        falcon.MEDIA_MULTIPART: {"schema": form},
    }


def _success(operation: Operation, schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    response = _response(operation.success, schema, operation.media_type)
    if operation.binary:
        response["content"]["application/octet-stream"] = {}
    if operation.files:
        response["content"] = {media_type: {} for media_type in operation.files}
    if operation.headers:
        response["headers"] = {
            name: {"description": description, "schema": {"type": "string"}}
            for name, description in operation.headers.items()
        }
    return response


def _query_parameters(schema: Mapping[str, Any], examples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the members of an object schema as query parameters. A list is a parameter that may be repeated."""
    parameters = []
    for name, member in schema["properties"].items():
        lists = [option for option in member.get("anyOf", ()) if option["type"] == "array"]
        values = {key: example[name] for key, example in examples.items() if name in example}
        parameters.append(
            {
                "name": name,
                "in": "query",
                "description": member["description"],
                "required": name in schema["required"],
                "schema": lists[0] if lists else member,
                "examples": _named(values),
            }
        )
    return parameters


def _errors(codes: Sequence[str], schema: Mapping[str, Any], example: Callable[[str], Any]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code)
    responses = {}
    for status, same_status in sorted(by_status.items()):
        response = _response("\n".join(f"- `{code}`: {ERROR_DESCRIPTIONS[code]}" for code in same_status), schema)
        response["content"][falcon.MEDIA_JSON]["example"] = msgspec.to_builtins(example(same_status[0]))
        responses[str(status)] = response
    return responses


def _response(description: str, schema: Mapping[str, Any], media_type: str = falcon.MEDIA_JSON) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _named(examples: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in examples.items()}


def _as_markdown(value: Any) -> Any:
    """Return ``value`` with the docstrings of the types, which are its descriptions, as Markdown."""
    if isinstance(value, list):
        return [_as_markdown(each) for each in value]
    if not isinstance(value, dict):
        return value
    converted = {key: _as_markdown(each) for key, each in value.items()}
    if isinstance(text := value.get("description"), str):
        converted["description"] = re.sub(r"\n +", "\n", text).replace("``", "`")
    return converted
