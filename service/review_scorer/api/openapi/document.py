"""The service described as OpenAPI 3.1, out of the types that read its requests and write its answers.

Reference: https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import falcon
import falcon.asgi
import msgspec

from review_scorer import __version__
from review_scorer.api.inference.messages import InferenceError
from review_scorer.api.openapi.operations import OPERATIONS, Operation
from review_scorer.api.schemas import ErrorAnswer, ErrorDetail
from review_scorer.errors import STATUS

_KEY = "key"
_SCHEME = {"type": "http", "scheme": "bearer", "description": "An API key, where the service wants one."}
_TAGS = {"api": "reviews", "v2": "Open Inference Protocol"}
_REASON = "what is wrong, and what would be right"
# By the type of an error's answer, what makes an example of it from its code.
_EXAMPLES: Mapping[type, Callable[[str], msgspec.Struct]] = {
    ErrorAnswer: lambda code: ErrorAnswer(ErrorDetail(code, None, _REASON)),
    InferenceError: lambda _code: InferenceError(_REASON),
}


class Description:
    """The description of the service, for programs."""

    def __init__(self) -> None:
        self._body = msgspec.json.encode(describe())

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the OpenAPI document as JSON."""
        response.data = self._body
        response.content_type = falcon.MEDIA_JSON


def describe() -> dict[str, Any]:
    """Return the OpenAPI document."""
    operations = [operation for methods in OPERATIONS.values() for operation in methods.values()]
    kinds = ((operation.asked, operation.refusal, *operation.answers) for operation in operations)
    ordered = sorted({kind for each in kinds for kind in each if kind}, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(ordered, schemas, strict=True))
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Review scorer",
            "version": __version__,
            "description": "Posts in a Japanese review, gets back its stars, 1 to 5.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            path: {
                method: _describe(operation, path, method, by_type, components) for method, operation in each.items()
            }
            for path, each in OPERATIONS.items()
        },
        "components": {"schemas": _as_markdown(components), "securitySchemes": {_KEY: _SCHEME}},
    }


def _describe(
    operation: Operation,
    path: str,
    method: str,
    schemas: Mapping[Any, dict[str, Any]],
    components: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    answers = [schemas[kind] for kind in operation.answers]
    described: dict[str, Any] = {
        "operationId": operation.name + ("AsUsers" if path.endswith("/users") else ""),
        "summary": operation.summary,
        "tags": [_TAGS.get(path.split("/")[1], "service")],
        "responses": {
            "200": _answered(operation, answers),
            **_errors(operation.codes, schemas[operation.refusal], _EXAMPLES[operation.refusal]),
        },
    }
    if "unauthorized" in operation.codes:
        described["security"] = [{}, {_KEY: []}]
    if operation.files:
        described["requestBody"] = {"required": True, "content": _files(operation.files)}
        described["parameters"] = [
            {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
            for name, meaning in operation.query.items()
        ]
    elif operation.asked and method == "get":
        described["parameters"] = _parameters(components[operation.asked.__name__], operation.examples)
    elif operation.asked:
        body = {"schema": schemas[operation.asked], "examples": _named(operation.examples)}
        described["requestBody"] = {"required": True, "content": {falcon.MEDIA_JSON: body}}
    return described


def _files(examples: Mapping[str, str]) -> dict[str, Any]:
    """Return what may be sent: a file of each type, also gzipped, and any of them in a form."""
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    return {media: {"schema": {"type": "string"}, "example": example} for media, example in examples.items()} | {
        "application/gzip": {"schema": {"type": "string", "format": "binary"}},
        falcon.MEDIA_MULTIPART: {"schema": form},
    }


def _answered(operation: Operation, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    schema = answers[0] if len(answers) == 1 else {"anyOf": answers}
    answered = _content("what was asked for", schema, operation.media)
    if operation.binary:
        answered["content"]["application/octet-stream"] = {}
    if operation.files:
        answered["content"] = {media: {} for media in operation.files}
    if operation.headers:
        answered["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in operation.headers.items()
        }
    return answered


def _parameters(schema: Mapping[str, Any], examples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the members of an object as parameters of a query, where a list is a name repeated."""
    parameters = []
    for name, member in schema["properties"].items():
        lists = [option for option in member.get("anyOf", ()) if option["type"] == "array"]
        values = {which: example[name] for which, example in examples.items() if name in example}
        parameters.append(
            {
                "name": name,
                "in": "query",
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
    answers = {}
    for status, same in sorted(by_status.items()):
        answer = _content(" ".join(f"`{code}`" for code in same), schema)
        answer["content"][falcon.MEDIA_JSON]["example"] = msgspec.to_builtins(example(same[0]))
        answers[str(status)] = answer
    return answers


def _content(description: str, schema: Mapping[str, Any], media: str = falcon.MEDIA_JSON) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _named(examples: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in examples.items()}


def _as_markdown(value: Any) -> Any:
    """Return ``value`` with its descriptions, which are docstrings, as Markdown has them."""
    if isinstance(value, list):
        return [_as_markdown(each) for each in value]
    if not isinstance(value, dict):
        return value
    described = {key: _as_markdown(each) for key, each in value.items()}
    if isinstance(text := value.get("description"), str):
        described["description"] = re.sub(r"\n +", "\n", text).replace("``", "`")
    return described
