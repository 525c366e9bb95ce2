"""Bugs outside of the app's own error handlers."""

import asyncio
import json
from typing import Any

import falcon.testing
import pytest

from review_scorer.server.error_boundary import ErrorBoundary
from review_scorer.server.headers import SECURITY_HEADERS, ResponseHeaders
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware


class Sent(list[dict[str, Any]]):
    """The messages of one response."""

    async def __call__(self, message: dict[str, Any]) -> None:
        self.append(message)


async def nothing() -> dict[str, Any]:
    raise AssertionError("the body was read")


def test_a_bug_is_answered_with_500_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_asgi: object) -> None:
        raise ZeroDivisionError("secret detail")

    sent, statuses, events = Sent(), list[int](), RequestEvents()
    events.ended.append(lambda context: statuses.append(context.status))
    app = TelemetryMiddleware(ResponseHeaders(ErrorBoundary(broken)), events, routes=[])

    async def request() -> None:
        await app(falcon.testing.create_scope("/", headers={"X-Request-Id": "mine"}), nothing, sent)

    asyncio.run(request())
    head, body = sent
    assert head["status"] == 500
    assert set(head["headers"]) > {*SECURITY_HEADERS, (b"x-request-id", b"mine"), (b"connection", b"close")}
    assert json.loads(body["body"])["error"] == {
        "code": "internal",
        "field": None,
        "reason": "internal error; see the service log",
    }
    assert "request mine failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert statuses == [500]


def test_a_bug_after_the_start_of_the_response_is_raised_so_that_the_connection_closes() -> None:
    async def broken(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    sent = Sent()

    async def request() -> None:
        scope = {**falcon.testing.create_scope("/"), "state": {"request_id": "1"}}
        await ErrorBoundary(broken)(scope, nothing, sent)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(request())
    assert [message["type"] for message in sent] == ["http.response.start"]
