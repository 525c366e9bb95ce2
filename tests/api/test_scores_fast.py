"""A single review may pass by the app; nobody can tell by the answer."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.api.predictor import Predictor
from review_scorer.api.scores_fast import FastPath
from review_scorer.capacity.admission import Admission
from review_scorer.capacity.queue import WorkQueue
from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Scorer
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware
from tests.server.test_headers import post
from tests.support.running import Server

PATH = "/api/1/users"
REVIEW = '{"texts": "breakfast was good"}'
NAMES = {"date", "x-prediction-id", "x-request-id"}
THROUGH_THE_APP = ({"Origin": "https://shop.example"}, {"Expect": "nothing"})


@pytest.mark.parametrize("more", THROUGH_THE_APP)
def test_both_ways_give_the_same_answer(server: Server, more: dict[str, str]) -> None:
    answer = server.client.post(PATH, content=REVIEW)
    other = server.client.post(PATH, content=REVIEW, headers=more)
    assert answer.status_code == other.status_code == 200
    assert answer.content == other.content
    assert answer.headers.keys() == other.headers.keys()
    assert {name for name in answer.headers if answer.headers[name] != other.headers[name]} <= NAMES


def test_both_ways_call_a_request_what_its_client_does(server: Server) -> None:
    for more in ({}, *THROUGH_THE_APP):
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
def test_what_cannot_be_scored_gets_the_error_of_the_app(server: Server, body: str, code: str) -> None:
    answer = server.client.post(PATH, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def receive_all(server: Server, *pieces: str) -> str:
    """Everything that is answered until the server closes."""
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece.encode())
            if piece is not pieces[-1]:
                # Long enough to be read apart; were it not, the answer would be the same.
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(10)
        received = b""
        while piece_of_answer := connection.recv(65_536):
            received += piece_of_answer
    return received.decode()


@pytest.mark.parametrize("cut", [1, 40, 70, -12, -1])
def test_a_request_may_come_in_pieces(server: Server, cut: int) -> None:
    request = post(PATH, REVIEW, "Connection: close")
    answer = receive_all(server, request[:cut], request[cut:])
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "connection: close\r\n" in answer
    assert answer.endswith("}")


def test_answers_come_in_the_order_of_the_requests_whichever_way_they_go(server: Server) -> None:
    bodies = [REVIEW, '{"texts": ["a"]}', REVIEW, '{"texts": ""}', REVIEW, '{"texts": "a", "detail": true}']
    requests = [post(PATH, body) for body in bodies] + [post(PATH, REVIEW, "Connection: close")]
    answers = receive_all(server, "".join(requests)).split("HTTP/1.1 ")[1:]
    members = [next(iter(json.loads(answer.partition("\r\n\r\n")[2]))) for answer in answers]
    assert members == ["score", "scores", "score", "error", "score", "score", "score"]


def test_who_goes_away_before_the_answer_harms_nobody(server: Server) -> None:
    for _ in range(50):
        with socket.create_connection(server.address, timeout=10) as connection:
            connection.sendall(post(PATH, REVIEW).encode())
    assert server.client.post(PATH, content=REVIEW).status_code == 200


@pytest.mark.parametrize("where", [(Scorer, "predict_many"), (RequestEvents, "note")])
def test_a_bug_is_a_500_that_tells_nothing_of_itself(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: tuple[type, str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("swordfish")

    admission = Admission(WorkQueue(patience=60), max_texts=10)
    watch = RequestEvents()
    told: list[int] = []
    watch.ended.append(lambda exchange: told.append(exchange.status))
    observed = TelemetryMiddleware(None, watch, routes=[PATH])  # type: ignore[arg-type]
    predictor = Predictor(load(tiny_bundle).scorer, admission, watch)
    direct = FastPath(predictor, ApiKeyAuth(None, public_paths=()), observed)
    monkeypatch.setattr(*where, broken)
    answers: list[tuple[bytes, bytes]] = []

    async def scene() -> None:
        assert direct.begin({"path": PATH, "headers": []}, REVIEW.encode(), lambda *answer: answers.append(answer))
        assert admission.pending == 1
        await asyncio.sleep(0.01)

    asyncio.run(scene())
    ((head, body),) = answers
    assert head.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body)["error"]["code"] == "internal"
    assert b"swordfish" not in head + body
    assert "swordfish" in caplog.text
    assert told == [500]
    assert admission.pending == 0
