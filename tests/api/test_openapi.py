"""The OpenAPI document: complete, correct, and usable in Swagger UI."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import falcon.asgi
import falcon.inspect
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import Page, expect, sync_playwright

from review_scorer.api.openapi.document import openapi_document
from review_scorer.api.openapi.error_descriptions import ERROR_DESCRIPTIONS
from review_scorer.app import create_app
from review_scorer.errors import STATUS
from review_scorer.scoring.bundle import load
from review_scorer.settings import Settings
from tests.support.redis_server import redis_server
from tests.support.running import Server, serving

CHROMIUM = shutil.which("chromium")
# HTML pages and their files.
PAGES = {"/", "/page/{name}", "/docs", "/docs/{name}"}
# Errors that no operation answers: they come before the app, or from an unknown path or method.
UNDESCRIBED = {"http_invalid", "head_too_large", "pipeline_too_long", "not_found", "method_not_allowed"}

DOCUMENT = openapi_document()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
BODIES = {
    path: methods["post"]["requestBody"]["content"] for path, methods in DOCUMENT["paths"].items() if "post" in methods
}
FILE_PATHS = {path for path, content in BODIES.items() if "application/json" not in content}
POSTS = [
    pytest.param(path, example["value"], id=f"{path}-{name}")
    for path, content in BODIES.items()
    if path not in FILE_PATHS
    for name, example in content["application/json"]["examples"].items()
]
FILES = [
    (path, media, body["example"]) for path in FILE_PATHS for media, body in BODIES[path].items() if "example" in body
]
QUERIES = [
    pytest.param(path, name, id=f"{path}-{name}")
    for path, methods in DOCUMENT["paths"].items()
    for name in methods.get("get", {}).get("parameters", [{"examples": {}}])[0]["examples"]
]


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with all that the document describes; with a prediction log, for feedback."""
    with redis_server(tmp_path_factory.mktemp("redis")) as store, serving(tiny_bundle, REDIS_URL=store.url) as running:
        yield running


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the components that it refers to."""
    return {**schema, "components": DOCUMENT["components"]}


def assert_documented(path: str, method: str, status: int, answer: Any) -> None:
    """The answer matches the documented schema and has no undocumented member."""
    schema = DOCUMENT["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    Draft202012Validator(resolved(schema)).validate(answer)
    options = [DOCUMENT["components"]["schemas"][each["$ref"].rsplit("/", 1)[1]] for each in schema.get("anyOf", ())]
    if options:
        assert any(set(option["properties"]) == set(answer) for option in options)


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_the_documented_operations_are_the_routes_of_the_app(tiny_bundle: Path) -> None:
    app: Any = create_app(load(tiny_bundle).scorer, probe="良い", facts={}, settings=Settings())
    while not isinstance(app, falcon.asgi.App):
        app = app._app  # noqa: SLF001
    served = {
        (route.path, method.method.lower())
        for route in falcon.inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal
    }
    assert {(path, method) for path, method in served if path not in PAGES} == set(OPERATIONS)
    assert {path for path, _ in served} >= PAGES


def test_every_error_code_is_documented() -> None:
    described = " ".join(
        response["description"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
    )
    assert {code for code in STATUS if f"`{code}`: " not in described} == UNDESCRIBED
    assert set(ERROR_DESCRIPTIONS) == set(STATUS) - UNDESCRIBED


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_every_example_of_a_body_is_accepted(server: Server, path: str, body: Any) -> None:
    response = server.client.post(path, json=body)
    assert response.status_code == 200
    assert_documented(path, "post", 200, response.json())
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(resolved(schema)).validate(body)


@pytest.mark.parametrize(("path", "media", "file"), FILES)
def test_every_example_of_a_file_is_scored(server: Server, path: str, media: str, file: str) -> None:
    response = server.client.post(path, content=file.encode(), headers={"Content-Type": media})
    assert response.status_code == 200
    assert response.headers["Content-Type"].partition(";")[0] == media
    assert media in DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]
    assert "interval_low" in response.text


@pytest.mark.parametrize(("path", "example"), QUERIES)
def test_every_example_of_a_query_is_accepted(server: Server, path: str, example: str) -> None:
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    query = {each["name"]: each["examples"][example]["value"] for each in parameters if example in each["examples"]}
    response = server.client.get(path, params=query)
    assert response.status_code == 200
    assert_documented(path, "get", 200, response.json())


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method in OPERATIONS if method == "get"])
def test_a_get_without_a_query_is_answered_as_documented(server: Server, path: str, method: str) -> None:
    response = server.client.get(path)
    if path == "/metrics":
        assert DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"].keys() == {"text/plain; charset=utf-8"}
        return
    assert response.status_code == (400 if "parameters" in DOCUMENT["paths"][path]["get"] else 200)
    assert_documented(path, method, response.status_code, response.json())


@pytest.mark.parametrize("path", [path for path, method in OPERATIONS if method == "post" if path not in FILE_PATHS])
@pytest.mark.parametrize("body", ["", "{}", '{"texts": []}', '{"texts": 5}'])
def test_an_error_is_as_documented(server: Server, path: str, body: str) -> None:
    response = server.client.post(path, content=body)
    assert response.status_code == 400
    assert_documented(path, "post", 400, response.json())


@pytest.mark.parametrize("path", sorted(FILE_PATHS))
@pytest.mark.parametrize("body", ["", "{}", "id\n1\n"])
def test_an_error_of_a_file_is_as_documented(server: Server, path: str, body: str) -> None:
    response = server.client.post(path, content=body)
    assert response.status_code == 400
    assert_documented(path, "post", 400, response.json())


def test_the_header_with_the_prediction_id_is_documented(server: Server) -> None:
    for method in ("get", "post"):
        described = DOCUMENT["paths"]["/api/1/scores"][method]["responses"]["200"]["headers"]
        assert set(described) == {"X-Prediction-Id"}
    assert "X-Prediction-Id" in server.client.get("/api/1/scores", params={"texts": "良い宿"}).headers


def test_the_service_serves_the_document(server: Server) -> None:
    assert server.client.get("/openapi.json").json() == DOCUMENT


@pytest.fixture(scope="module")
def docs(server: Server) -> Iterator[Page]:
    if not CHROMIUM:
        pytest.skip("chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        messages: list[str] = []
        requested: list[str] = []
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("console", lambda message: messages.append(message.text))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"{server.url}/docs")
        yield page
        assert messages == []
        assert [url for url in requested if not url.startswith((f"{server.url}/", "data:"))] == []
        browser.close()


def test_swagger_ui_shows_every_operation(docs: Page) -> None:
    expect(docs.locator(".opblock")).to_have_count(len(OPERATIONS))
    expect(docs.locator(".errors")).to_have_count(0)


def test_an_example_can_be_tried_in_swagger_ui(docs: Page) -> None:
    block = docs.locator("#operations-reviews-explain")
    block.locator(".opblock-summary-control").click()
    expect(block.locator("textarea.body-param__text")).to_have_value(re.compile("すごい！最高に興奮した！楽しい"))
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(block.locator(".live-responses-table .highlight-code").last).to_contain_text("contribution")
