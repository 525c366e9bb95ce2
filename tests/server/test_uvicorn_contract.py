"""The internals of uvicorn that the HTTP protocol relies on. A version of uvicorn without one of them fails here."""

import ast
import asyncio
import inspect
import socket
from collections.abc import Iterator
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from review_scorer.server import http_rules, protocol
from review_scorer.server.http_rules import StrictProtocol
from review_scorer.server.protocol import HttpProtocol

OVERRIDDEN = {
    "_start_asgi_task",
    "connection_lost",
    "connection_made",
    "data_received",
    "on_body",
    "on_headers_complete",
    "on_message_begin",
    "on_message_complete",
    "on_response_complete",
    "pause_writing",
    "resume_writing",
    "shutdown",
}
"""Methods of uvicorn's protocol that ours extend or replace."""

PROTOCOL = {
    "_unset_keepalive_if_required",
    "app_state",
    "connections",
    "cycle",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "server_state",
    "transport",
    "url",
}
"""Other attributes of uvicorn's protocol that ours use."""

CYCLE = {
    "body",
    "default_headers",
    "disconnected",
    "keep_alive",
    "message_event",
    "more_body",
    "response_complete",
    "response_started",
    "scope",
}
FLOW = {"resume_reading", "write_paused"}
SERVER_STATE = {"total_requests"}
PARSER = {"feed_data", "get_http_version", "get_method", "set_dangerous_leniencies", "should_upgrade"}

LISTED = {
    "self": OVERRIDDEN | PROTOCOL,
    "super()": OVERRIDDEN | {"__init__", "resume_reading"},
    "cycle": CYCLE,
    "self.cycle": CYCLE,
    "self._started": CYCLE,
    "self.flow": FLOW,
    "self.server_state": SERVER_STATE,
    "self.parser": PARSER,
}
"""The attributes that our modules may use of each expression for an object of uvicorn."""


async def _app(_scope: object, _receive: object, _send: object) -> None:
    raise AssertionError("no request was sent")


@pytest.fixture
def connected() -> HttpToolsProtocol:
    """The original protocol of uvicorn on a connection, after the head of a request."""

    async def connect() -> HttpToolsProtocol:
        one, other = socket.socketpair()
        config = uvicorn.Config(_app, http="httptools", ws="none", log_config=None)
        own = HttpToolsProtocol(config, ServerState(), {})
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: own, sock=one)
        own.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        for task in own.tasks:
            task.cancel()
        transport.close()
        other.close()
        return own

    return asyncio.run(connect())


def used(module: Any) -> Iterator[tuple[str, str]]:
    """Yield each attribute that a module uses, with the expression before the dot."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr


def own_attributes() -> set[str]:
    """The names that our classes define themselves: methods, and attributes that they assign."""
    own = {name for kind in (HttpProtocol, StrictProtocol) for name in vars(kind)}
    for module in (http_rules, protocol):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ast.unparse(node.value) == "self"
            ):
                own.add(node.attr)
    return own - vars(HttpToolsProtocol).keys() - PROTOCOL


def test_the_version_of_uvicorn_is_the_one_that_was_checked() -> None:
    assert uvicorn.__version__.startswith("0.54.")


@pytest.mark.parametrize("module", [http_rules, protocol], ids=["http_rules", "protocol"])
def test_our_modules_use_no_internals_but_the_listed_ones(module: Any) -> None:
    own = own_attributes()
    unlisted = {
        f"{value}.{name}"
        for value, name in used(module)
        if value in LISTED and name not in LISTED[value] and not (value == "self" and name in own)
    }
    assert unlisted == set()


def test_uvicorn_has_the_methods_that_are_overridden() -> None:
    assert {name for name in OVERRIDDEN if callable(vars(HttpToolsProtocol).get(name))} == OVERRIDDEN
    assert list(inspect.signature(vars(HttpToolsProtocol)["_start_asgi_task"]).parameters) == ["self", "cycle", "app"]


def test_uvicorn_has_the_attributes_that_are_used(connected: HttpToolsProtocol) -> None:
    for owner, names in (
        (connected, PROTOCOL - {"parser"}),  # uvicorn deletes the parser with the connection
        (connected.cycle, CYCLE),
        (connected.flow, FLOW),
        (connected.server_state, SERVER_STATE),
    ):
        assert {name for name in names if hasattr(owner, name)} == names
    assert isinstance(connected.cycle, RequestResponseCycle)
    assert isinstance(connected.flow, FlowControl)
    assert {name for name in PARSER if hasattr(httptools.HttpRequestParser, name)} == PARSER


def test_the_state_of_a_new_request_has_the_expected_values(connected: HttpToolsProtocol) -> None:
    cycle = connected.cycle
    assert (cycle.keep_alive, cycle.more_body, cycle.body) == (True, True, bytearray())
    assert (cycle.response_started, cycle.response_complete) == (False, False)
    assert cycle.scope["state"] == {}
    assert connected.pipeline.maxlen is None
