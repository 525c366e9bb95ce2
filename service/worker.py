"""gunicorn's worker process: uvicorn with uvloop and httptools."""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from service.protocol import Protocol


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
