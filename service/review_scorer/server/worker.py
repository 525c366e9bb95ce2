"""gunicorn's worker process: uvicorn with uvloop and httptools."""

import signal
from typing import Any, ClassVar

import uvloop  # noqa: F401 - uvicorn imports it in each worker: 1.7 MB that they could share
from uvicorn_worker import UvicornWorker

from review_scorer.server.protocol import Protocol

# How many new connections are accepted in one turn of the event loop.
_ACCEPTED_A_TURN = 16


class Worker(UvicornWorker):  # type: ignore[misc]
    """The worker class that ``gunicorn.conf.py`` names."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        # The address that a proxy claims is nobody's business here.
        "proxy_headers": False,
    }

    sockets: list[Any]  # gunicorn's, which wrap the real ones

    def run(self) -> None:
        """Serve, as uvicorn's worker does, but listen as many times over as connections are to be accepted a turn.

        libuv accepts a single one a turn, and a turn lasts as long as a computation. After a moment's pause hundreds
        wait, and each would have hundreds of turns to wait, unrefused: a second and more under load.
        """
        self.sockets = [sock if turn == 0 else sock.dup() for sock in self.sockets for turn in range(_ACCEPTED_A_TURN)]
        super().run()

    def handle_exit(self, _signal: int, _frame: object) -> None:
        """Stop on QUIT as on TERM; gunicorn's flag, which this sets else, is one that uvicorn never looks at."""
        signal.raise_signal(signal.SIGTERM)
