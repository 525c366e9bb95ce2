"""The HTTP API, through Falcon's test client."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import falcon.testing
import pytest
from falcon.testing import Result

from review_scorer.app import create_app
from review_scorer.errors import STATUS
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Prediction, Scorer
from review_scorer.scoring.text import ScorableText
from review_scorer.settings import Settings

SCORES = "/api/1/scores"
PROBE = "音は良い"


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return load(tiny_bundle, max_chars=50).scorer


@pytest.fixture(scope="module")
def client(scorer: Scorer) -> falcon.testing.TestClient:
    settings = Settings(max_chars=50, max_texts=3, max_bytes=1_000)
    return falcon.testing.TestClient(create_app(scorer, probe=PROBE, facts={"version": "1"}, settings=settings))


def post(client: falcon.testing.TestClient, body: bytes | str, path: str = SCORES, **options: Any) -> Result:
    return client.simulate_post(path, body=body, **options)


def assert_error(result: Result, code: str, field: str | None) -> None:
    assert set(result.json) == {"error"}
    error = result.json["error"]
    assert set(error) == {"code", "field", "reason"}
    assert (error["code"], error["field"]) == (code, field)
    assert error["reason"]
    assert result.status_code == STATUS[code]
    assert result.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/api/1/users", SCORES])
def test_one_text_gets_one_score_and_a_list_gets_many(
    client: falcon.testing.TestClient, scorer: Scorer, path: str
) -> None:
    assert post(client, '{"texts": "良い宿"}', path).json == {"score": scorer.score("良い宿")}
    expected = [scorer.score("良い宿"), scorer.score("😀")]
    assert post(client, '{"texts": ["良い宿", "😀"]}', path).json == {"scores": expected}
    assert post(client, '{"texts": ["良い宿"]}', path).json == {"scores": expected[:1]}


@pytest.mark.parametrize("path", ["/api/1/users", SCORES])
def test_a_query_gets_the_same_scores(client: falcon.testing.TestClient, scorer: Scorer, path: str) -> None:
    one, two = quote("良い宿、また"), quote("a&b=c+d")
    assert client.simulate_get(path, query_string=f"texts={one}").json == {"score": scorer.score("良い宿、また")}
    both = client.simulate_get(path, query_string=f"texts={one}&x=1&texts={two}")
    assert both.json == {"scores": [scorer.score("良い宿、また"), scorer.score("a&b=c+d")]}


def test_detail_adds_interval_coverage_and_id(client: falcon.testing.TestClient, scorer: Scorer) -> None:
    one = post(client, '{"texts": "良い宿", "detail": true}').json
    expected = scorer.predict("良い宿")
    assert set(one) == {"score", "interval", "vocabulary_coverage", "id"}
    assert (one["score"], tuple(one["interval"]), one["vocabulary_coverage"]) == expected[:3]
    many = post(client, '{"texts": ["良い宿", "悪い宿"], "detail": true}').json["results"]
    assert [result["score"] for result in many] == scorer.score_many(["良い宿", "悪い宿"])
    queried = client.simulate_get(SCORES, query_string=f"texts={quote('良い宿')}&detail=true").json
    assert len({one["id"], queried["id"], *(result["id"] for result in many)}) == 4
    assert {**queried, "id": ""} == {**one, "id": ""}
    assert set(post(client, '{"texts": "良い宿", "detail": false}').json) == {"score"}


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_the_body_is_read_as_json_whatever_its_content_type(
    client: falcon.testing.TestClient, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert post(client, '{"texts": "良い宿", "more": [1]}', headers=headers).status_code == 200


def test_a_score_is_sent_with_full_precision(client: falcon.testing.TestClient, scorer: Scorer) -> None:
    result = post(client, '{"texts": "音は良いが電池が悪い"}')
    assert result.text == f'{{"score":{scorer.score("音は良いが電池が悪い")!r}}}'


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"", "json_invalid", None),
        (b"texts=abc", "json_invalid", None),
        (b'{"texts": "a"} x', "json_invalid", None),
        (b'{"texts": NaN}', "json_invalid", None),
        (b'{"texts": "' + b"[" * 500, "json_invalid", None),
        (b'\xef\xbb\xbf{"texts": "a"}', "json_invalid", None),
        (b"[]", "texts_missing", None),
        (b'"a"', "texts_missing", None),
        (b"{}", "texts_missing", "texts"),
        (b'{"text": "a"}', "texts_missing", "texts"),
        (b'{"texts": null}', "texts_type", "texts"),
        (b'{"texts": 5}', "texts_type", "texts"),
        (b'{"texts": {"a": "b"}}', "texts_type", "texts"),
        (b'{"texts": ["a", 5]}', "texts_type", "texts[1]"),
        (b'{"texts": ["a", ["b"]]}', "texts_type", "texts[1]"),
        (b'{"texts": "a", "detail": "yes"}', "detail_type", "detail"),
        (b'{"texts": []}', "texts_empty", "texts"),
        (b'{"texts": ""}', "text_empty", "texts"),
        (b'{"texts": " \\n\\u3000"}', "text_empty", "texts"),
        (b'{"texts": ["a", "b", ""]}', "text_empty", "texts[2]"),
        (b'{"texts": "a\\u0000b"}', "text_nul", "texts"),
        (b'{"texts": ["a", "\\u0000"]}', "text_nul", "texts[1]"),
        (b'{"texts": "a\\ud800"}', "text_surrogate", "texts"),
        (b'{"texts": ["a", "\\udc00b"]}', "text_surrogate", "texts[1]"),
        (b'{"texts": "\xff"}', "utf8_invalid", None),
        (b'{"texts": "a", "other": "\xff"}', "utf8_invalid", None),
        (b'{"texts": "\xed\xa0\x80"}', "utf8_invalid", None),
        (json.dumps({"texts": "あ" * 51}).encode(), "text_too_long", "texts"),
        (json.dumps({"texts": ["a", "あ" * 51]}).encode(), "text_too_long", "texts[1]"),
        (b'{"texts": ["a", "b", "c", "d"]}', "texts_too_many", "texts"),
        (b'{"texts": "' + b"a" * 1_000 + b'"}', "body_too_large", None),
    ],
)
def test_an_invalid_body_gets_a_code_and_a_field(
    client: falcon.testing.TestClient, body: bytes, code: str, field: str | None
) -> None:
    assert_error(post(client, body), code, field)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("", "texts_missing", "texts"),
        ("text=a", "texts_missing", "texts"),
        ("texts=", "text_empty", "texts"),
        ("texts=a&detail=1", "detail_type", "detail"),
        ("texts=a&texts=%20", "text_empty", "texts[1]"),
        ("texts=%ff", "utf8_invalid", None),
        ("texts=%ED%A0%80", "utf8_invalid", None),
        ("texts=a%00b", "text_nul", "texts"),
        ("texts=" + "a" * 51, "text_too_long", "texts"),
        ("&".join(["texts=a"] * 4), "texts_too_many", "texts"),
    ],
)
def test_an_invalid_query_gets_a_code_and_a_field(
    client: falcon.testing.TestClient, query: str, code: str, field: str | None
) -> None:
    assert_error(client.simulate_get(SCORES, query_string=query), code, field)


@pytest.mark.parametrize("path", ["/api/1", "/api/1/users/3", "/nope%00", "/API/1/USERS"])
def test_an_unknown_path_is_not_found(client: falcon.testing.TestClient, path: str) -> None:
    assert_error(client.simulate_post(path, body=b'{"texts": "a"}'), "not_found", None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", SCORES, {"GET", "POST"}), ("PUT", "/api/1/users", {"GET", "POST"}), ("POST", "/healthz", {"GET"})],
)
def test_a_wrong_method_gets_the_allowed_ones(
    client: falcon.testing.TestClient, method: str, path: str, allowed: set[str]
) -> None:
    result = client.simulate_request(method, path, body=b"{}")
    assert_error(result, "method_not_allowed", None)
    assert set(result.headers["allow"].split(", ")) >= allowed


def test_a_bug_is_a_500_without_a_stack_trace(scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Scorer):
        def __init__(self) -> None:
            """Set only what create_app reads."""
            self.max_chars = 100

        def score(self, text: str) -> float:
            return scorer.score(text)

        def predict_checked(self, _texts: Sequence[ScorableText]) -> list[Prediction]:
            raise ZeroDivisionError("secret detail")

    app = create_app(Broken(), probe=PROBE, facts={}, settings=Settings())
    result = falcon.testing.TestClient(app).simulate_post(SCORES, body=b'{"texts": "a"}')
    assert_error(result, "internal", None)
    assert "secret" not in result.text
    assert "ZeroDivisionError" in caplog.text


def test_health_readiness_and_version_are_answered(client: falcon.testing.TestClient) -> None:
    assert client.simulate_get("/healthz").status_code == 200
    assert client.simulate_get("/readyz").json == {"status": "ready"}
    assert client.simulate_get("/version").json == {"version": "1"}


def test_a_worker_is_not_ready_before_it_scored_the_probe(scorer: Scorer) -> None:
    app = create_app(scorer, probe=PROBE, facts={}, settings=Settings())
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(falcon.testing.create_scope("/readyz"), receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["error"]["code"] == "not_ready"
