"""Worker process of gunicorn: uvicorn with uvloop and httptools."""

import signal
from typing import Any, ClassVar

import uvloop  # noqa: F401 - uvicorn imports it in each worker: 1.7 MB that they could share
from uvicorn_worker import UvicornWorker

from review_scorer.server.protocol import HttpProtocol

# New connections that are accepted in one iteration of the event loop.
_ACCEPTS_PER_ITERATION = 16


class Worker(UvicornWorker):  # type: ignore[misc]
    """The worker class that ``gunicorn.conf.py`` names."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": HttpProtocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        # The client's address is never used, so the claims of proxies about it are not read.
        "proxy_headers": False,
    }

    sockets: list[Any]  # gunicorn's wrappers of the listening sockets

    def run(self) -> None:
        """Serve as uvicorn's worker does, on several duplicates of each listening socket.

        libuv accepts one connection per socket and iteration, and an iteration lasts as long as a computation. After a
        short pause hundreds of connections wait, and each would wait for hundreds of iterations without a refusal: a
        second and more under load.
        """
        self.sockets = [
            sock if number == 0 else sock.dup() for sock in self.sockets for number in range(_ACCEPTS_PER_ITERATION)
        ]
        super().run()

    def handle_exit(self, _signal: int, _frame: object) -> None:
        """Stop on QUIT as on TERM; the inherited method sets a flag of gunicorn that uvicorn never reads."""
        signal.raise_signal(signal.SIGTERM)
