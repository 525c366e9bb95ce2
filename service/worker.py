"""gunicorn's worker process: uvicorn with uvloop and httptools."""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from service.protocol import Protocol


# uvloop accepts one connection each time it looks at a listening socket. Under load it looks a few hundred times a
# second, and clients that come back after a pause, or a probe among them, would queue for seconds. So it is given more
# to look at. A look in vain costs a microsecond.
_LISTENERS = 8


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

    def run(self) -> None:
        """Serve until told to stop."""
        given = self.sockets
        self.sockets = [listener.dup() for listener in given for _ in range(_LISTENERS)]
        for listener in given:
            listener.close()
        super().run()
