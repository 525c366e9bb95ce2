"""Objects of the app that the HTTP protocol works with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from review_scorer.capacity.admission import Admission
from review_scorer.settings import Settings

Reply = Callable[[bytes, bytes], None]
"""Sends a response: its status line with headers, without the empty line that ends them, and its body."""


class FastPath(Protocol):
    """Answers requests without the app. A ``scope`` is that of ASGI, for which uvicorn has a type of its own."""

    def accepts(self, scope: Any) -> bool:
        """Return whether a request with this head may be one to handle."""

    def handle(self, scope: Any, body: bytes, reply: Reply) -> bool:
        """Answer a request, by calling ``reply`` once, now or later; return False to leave it to the app."""


class Telemetry(Protocol):
    """Records requests that the app never sees."""

    def record_refusal(self, scope: Any, status: int) -> str:
        """Record a request that was answered with ``status``; return its request id."""


@dataclass
class Connections:
    """State that the connections of one worker share.

    ``idle`` are those without a request, the longest idle first. ``stopping`` is set once the worker shuts down.
    """

    idle: dict[asyncio.BaseTransport, None] = field(default_factory=dict)
    stopping: bool = False


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Objects that each connection needs of the app; ``fast_path`` is None if it is turned off.

    As Falcon middleware it stores itself in the state of the ASGI lifespan, where the protocol finds it.
    """

    settings: Settings
    admission: Admission
    telemetry: Telemetry
    fast_path: FastPath | None
    connections: Connections = field(default_factory=Connections)

    async def process_startup(self, scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Store this object in the lifespan's state; a server without one has another protocol, too."""
        scope.get("state", {})["runtime"] = self
