"""Feedback on predictions: stored, or refused with a reason."""

import json
from collections.abc import Iterator
from pathlib import Path

import falcon.testing
import pytest

from review_scorer.app import create_app
from review_scorer.errors import STATUS
from review_scorer.prediction_log.prediction_ids import new_id
from review_scorer.scoring.bundle import load
from review_scorer.settings import Settings
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import Server, serving

FEEDBACK = "/api/1/feedback"
STREAM = "predictions:feedback"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def recording(store: RedisServer, tiny_bundle: Path) -> Iterator[Server]:
    with serving(tiny_bundle, REDIS_URL=store.url, MAX_CHARS="50") as server:
        yield server


@pytest.mark.parametrize("suffix", ["", ".0", ".999"])
def test_feedback_is_stored_before_it_is_answered(recording: Server, store: RedisServer, suffix: str) -> None:
    prediction_id = new_id() + suffix
    answer = recording.client.post(FEEDBACK, json={"id": prediction_id, "stars": 4})
    assert (answer.status_code, answer.json()) == (200, {"id": prediction_id, "stars": 4.0})
    stored = store.entries(STREAM)[-1]
    assert (stored["id"], stored["stars"]) == (prediction_id, "4.0")
    assert set(stored) == {"id", "time", "stars"}


def test_the_text_of_feedback_is_stored_without_personal_data(recording: Server, store: RedisServer) -> None:
    feedback = {"id": new_id(), "stars": 1.5, "texts": "090-1234-5678に電話しても出ない。"}
    assert recording.client.post(FEEDBACK, json=feedback).status_code == 200
    assert store.entries(STREAM)[-1]["text"] == "[PHONE]に電話しても出ない。"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("", "json_invalid", None),
        ("[]", "id_invalid", None),
        ("{}", "id_invalid", "id"),
        ('{"stars": 4}', "id_invalid", "id"),
        ('{"id": "ID"}', "stars_invalid", "stars"),
        ('{"id": 5, "stars": 4}', "id_invalid", "id"),
        ('{"id": "b1946ac92492d234", "stars": 4}', "id_invalid", "id"),
        ('{"id": "ID.x", "stars": 4}', "id_invalid", "id"),
        ('{"id": "ID\\n", "stars": 4}', "id_invalid", "id"),
        ('{"id": "ID", "stars": 0}', "stars_invalid", "stars"),
        ('{"id": "ID", "stars": 5.5}', "stars_invalid", "stars"),
        ('{"id": "ID", "stars": "4"}', "stars_invalid", "stars"),
        ('{"id": "ID", "stars": null}', "stars_invalid", "stars"),
        ('{"id": "ID", "stars": 4, "texts": ["良い"]}', "texts_type", "texts"),
        ('{"id": "ID", "stars": 4, "texts": " "}', "text_empty", "texts"),
        ('{"id": "ID", "stars": 4, "texts": "\\u0000"}', "text_nul", "texts"),
        ('{"id": "ID", "stars": 4, "texts": "\\ud800"}', "text_surrogate", "texts"),
        (json.dumps({"id": "ID", "stars": 4, "texts": "良" * 51}), "text_too_long", "texts"),
    ],
)
def test_invalid_feedback_gets_a_code_and_a_field(
    recording: Server, store: RedisServer, body: str, code: str, field: str | None
) -> None:
    before = store.client.xlen(STREAM)
    answer = recording.client.post(FEEDBACK, content=body.replace("ID", new_id()))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (STATUS[code], code, field)
    assert error["reason"]
    assert store.client.xlen(STREAM) == before


def test_without_a_prediction_log_feedback_is_a_404(tiny_bundle: Path) -> None:
    app = create_app(load(tiny_bundle).scorer, probe="良い", facts={}, settings=Settings())
    answer = falcon.testing.TestClient(app).simulate_post(FEEDBACK, json={"id": new_id(), "stars": 4})
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "prediction_log_disabled"
    assert "SCORER_REDIS_URL" in answer.json["error"]["reason"]


def test_feedback_that_cannot_be_stored_is_a_503_with_retry_after(tmp_path: Path, tiny_bundle: Path) -> None:
    with redis_server(tmp_path) as store, serving(tiny_bundle, REDIS_URL=store.url) as server:
        feedback = {"id": new_id(), "stars": 4}
        for break_store in (store.freeze, store.kill):
            break_store()
            answer = server.client.post(FEEDBACK, json=feedback)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "prediction_log_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        store.start()
        assert server.client.post(FEEDBACK, json=feedback).status_code == 200
        assert store.entries(STREAM)[-1]["id"] == feedback["id"]
