"""The fast path answers a single review exactly as the resource does."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.api.predictor import Predictor
from review_scorer.api.scores_fast import PATHS, FastPath
from review_scorer.app import create_app
from review_scorer.capacity.admission import Admission
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Scorer
from review_scorer.settings import Settings
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware
from tests.server.test_headers import post
from tests.support.running import Server, serving

PATH = "/api/1/users"
REVIEW = '{"texts": "breakfast was good"}'
NAMES = {"date", "x-prediction-id", "x-request-id"}
THROUGH_THE_RESOURCE = ({"Origin": "https://shop.example"}, {"Expect": "nothing"})


@pytest.mark.parametrize("more", THROUGH_THE_RESOURCE)
def test_both_paths_give_the_same_response(server: Server, more: dict[str, str]) -> None:
    answer = server.client.post(PATH, content=REVIEW)
    other = server.client.post(PATH, content=REVIEW, headers=more)
    assert answer.status_code == other.status_code == 200
    assert answer.content == other.content
    assert answer.headers.keys() == other.headers.keys()
    assert {name for name in answer.headers if answer.headers[name] != other.headers[name]} <= NAMES


def test_both_paths_use_the_request_id_of_the_client(server: Server) -> None:
    for more in ({}, *THROUGH_THE_RESOURCE):
        answer = server.client.post(PATH, content=REVIEW, headers={"X-Request-Id": "mine", **more})
        assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"texts": ""}', "text_empty"),
        ('{"texts": 1}', "texts_type"),
        ('{"texts": "a"', "json_invalid"),
        ('{"texts": "a", "detail": 1}', "detail_type"),
    ],
)
def test_a_review_that_cannot_be_scored_gets_the_error_of_the_resource(server: Server, body: str, code: str) -> None:
    answer = server.client.post(PATH, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def receive_all(server: Server, *pieces: str) -> str:
    """All bytes until the server closes the connection."""
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece.encode())
            if piece is not pieces[-1]:
                # Long enough for the pieces to be read apart; otherwise the response would be the same.
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(10)
        received = b""
        while piece_of_answer := connection.recv(65_536):
            received += piece_of_answer
    return received.decode()


def test_the_fast_path_can_be_turned_off_and_the_responses_stay_the_same(server: Server, tiny_bundle: Path) -> None:
    bodies = [REVIEW, '{"texts": ["a", "b"]}', '{"texts": "a", "detail": true}', '{"texts": ""}', "{"]
    with serving(tiny_bundle, FAST_PATH="off") as other:
        for path in PATHS:
            for body in bodies:
                one, two = (each.client.post(path, content=body) for each in (server, other))
                assert (one.status_code, one.headers.keys()) == (two.status_code, two.headers.keys())
                differing = {name for name in one.headers if one.headers[name] != two.headers[name]}
                assert differing <= NAMES
                if "detail" not in body:  # a detailed answer contains its own id
                    assert one.content == two.content


@pytest.mark.parametrize("fast_path", [True, False])
def test_the_runtime_has_a_fast_path_unless_it_is_turned_off(tiny_bundle: Path, *, fast_path: bool) -> None:
    settings = Settings(fast_path=fast_path)
    app = create_app(load(tiny_bundle).scorer, probe="良い", facts={}, settings=settings)
    state: dict[str, Any] = {}
    messages = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

    async def receive() -> dict[str, str]:
        return messages.pop()

    async def send(_message: object) -> None:
        pass

    async def start_and_stop() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)

    asyncio.run(start_and_stop())
    assert (state["runtime"].fast_path is not None) == fast_path


@pytest.mark.parametrize("cut", [1, 40, 70, -12, -1])
def test_a_request_may_arrive_in_pieces(server: Server, cut: int) -> None:
    request = post(PATH, REVIEW, "Connection: close")
    answer = receive_all(server, request[:cut], request[cut:])
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "connection: close\r\n" in answer
    assert answer.endswith("}")


def test_responses_are_in_the_order_of_the_requests_on_either_path(server: Server) -> None:
    bodies = [REVIEW, '{"texts": ["a"]}', REVIEW, '{"texts": ""}', REVIEW, '{"texts": "a", "detail": true}']
    requests = [post(PATH, body) for body in bodies] + [post(PATH, REVIEW, "Connection: close")]
    answers = receive_all(server, "".join(requests)).split("HTTP/1.1 ")[1:]
    members = [next(iter(json.loads(answer.partition("\r\n\r\n")[2]))) for answer in answers]
    assert members == ["score", "scores", "score", "error", "score", "score", "score"]


def test_a_client_that_disconnects_early_affects_no_other(server: Server) -> None:
    for _ in range(50):
        with socket.create_connection(server.address, timeout=10) as connection:
            connection.sendall(post(PATH, REVIEW).encode())
    assert server.client.post(PATH, content=REVIEW).status_code == 200


@pytest.mark.parametrize("where", [(Scorer, "predict_checked"), (RequestEvents, "record")])
def test_a_bug_is_answered_with_500_without_its_message(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: tuple[type, str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("swordfish")

    admission = Admission(max_wait=60, max_texts=10)
    events = RequestEvents()
    statuses: list[int] = []
    events.ended.append(lambda context: statuses.append(context.status))
    telemetry = TelemetryMiddleware(None, events, routes=[PATH])  # type: ignore[arg-type]
    predictor = Predictor(load(tiny_bundle).scorer, admission, events)
    fast_path = FastPath(predictor, ApiKeyAuth(None, public_paths=()), telemetry)
    monkeypatch.setattr(*where, broken)
    answers: list[tuple[bytes, bytes]] = []

    async def scenario() -> None:
        assert fast_path.handle({"path": PATH, "headers": []}, REVIEW.encode(), lambda *answer: answers.append(answer))
        assert admission.pending == 1
        await asyncio.sleep(0.01)

    asyncio.run(scenario())
    ((head, body),) = answers
    assert head.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body)["error"]["code"] == "internal"
    assert b"swordfish" not in head + body
    assert "swordfish" in caplog.text
    assert statuses == [500]
    assert admission.pending == 0
