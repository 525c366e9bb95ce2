"""``/api/1/explain``, through Falcon's test client."""

from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from review_scorer.app import create_app
from review_scorer.scoring.bundle import load
from review_scorer.scoring.explanation import explain
from review_scorer.scoring.scorer import Scorer
from review_scorer.settings import Settings
from tests.api.test_api import assert_error

EXPLAIN = "/api/1/explain"


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return load(tiny_bundle, max_chars=50).scorer


@pytest.fixture(scope="module")
def client(scorer: Scorer) -> falcon.testing.TestClient:
    settings = Settings(max_chars=50, max_texts=9, max_explain_texts=2)
    return falcon.testing.TestClient(create_app(scorer, probe="良い", facts={}, settings=settings))


def test_one_text_gets_one_explanation(client: falcon.testing.TestClient, scorer: Scorer) -> None:
    text = "ﾃﾞｻﾞｲﾝが良い。電池は最悪！！"
    answer: dict[str, Any] = client.simulate_post(EXPLAIN, json={"texts": text}).json
    expected = explain(scorer, text)
    assert set(answer) == {"score", "base", "rest", "spans", "sentences"}
    assert (answer["score"], answer["base"], answer["rest"]) == (expected.score, expected.base, expected.rest)
    assert answer["spans"] == [
        {"start": s.start, "end": s.end, "surface": s.surface, "contribution": s.contribution} for s in expected.spans
    ]
    assert answer["sentences"] == [{"start": s.start, "end": s.end, "score": s.score} for s in expected.sentences]
    assert [text[s["start"] : s["end"]] for s in answer["sentences"]] == ["ﾃﾞｻﾞｲﾝが良い。", "電池は最悪！！"]


def test_a_list_gets_the_explanation_of_each_text(client: falcon.testing.TestClient) -> None:
    texts = ["良い宿", "悪い宿"]
    alone = [client.simulate_post(EXPLAIN, json={"texts": text}).json for text in texts]
    assert client.simulate_post(EXPLAIN, json={"texts": texts}).json == {"explanations": alone}
    assert client.simulate_post(EXPLAIN, json={"texts": texts[:1]}).json == {"explanations": alone[:1]}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "json_invalid", None),
        (b"{}", "texts_missing", "texts"),
        (b'{"texts": 5}', "texts_type", "texts"),
        (b'{"texts": []}', "texts_empty", "texts"),
        (b'{"texts": ["a", " "]}', "text_empty", "texts[1]"),
        (b'{"texts": "a\\ud800"}', "text_surrogate", "texts"),
        (b'{"texts": ["a", "b", "c"]}', "texts_too_many", "texts"),
        (b'{"texts": "' + b"a" * 51 + b'"}', "text_too_long", "texts"),
    ],
)
def test_an_invalid_body_gets_a_code_and_a_field(
    client: falcon.testing.TestClient, body: bytes, code: str, field: str | None
) -> None:
    assert_error(client.simulate_post(EXPLAIN, body=body), code, field)
