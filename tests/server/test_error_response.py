"""One function turns an error into a response."""

import json

import pytest

from review_scorer.errors import RequestError, error_response, overloaded
from review_scorer.server.raw_responses import error_bytes

ERROR = RequestError("text_empty", "the text is empty", field="texts[3]")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/1/scores", {"code": "text_empty", "field": "texts[3]", "reason": "the text is empty"}),
        ("/v2x", {"code": "text_empty", "field": "texts[3]", "reason": "the text is empty"}),
        ("/v2", "texts[3]: the text is empty"),
        ("/v2/models/reviews/infer", "texts[3]: the text is empty"),
    ],
)
def test_the_body_has_the_form_of_the_path(path: str, expected: object) -> None:
    status, headers, body = error_response(ERROR, path)
    assert status == 400
    assert json.loads(body) == {"error": expected}
    assert headers == {"content-type": "application/json", "content-length": str(len(body))}


def test_the_headers_of_the_error_and_of_the_connection_are_added() -> None:
    _, headers, _ = error_response(overloaded(), "/", close=True)
    assert headers["Retry-After"] == "1"
    assert headers["connection"] == "close"


def test_a_raw_response_has_the_same_body_and_the_request_id() -> None:
    head, _, body = error_bytes(ERROR, "mine", close=True).partition(b"\r\n\r\n")
    assert body == error_response(ERROR, "/")[2]
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 400 Bad Request"
    assert {b"x-request-id: mine", b"connection: close", b"cache-control: no-store"} < set(lines)
