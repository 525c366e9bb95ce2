"""Server configurations and the requests that each of them gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tools.replay.cases import access, files, inference, limits, pages, raw_http, scores
from tools.replay.exchange import Request


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A server configuration and its requests, in order.

    ``settings`` are variables without their prefix; ``{keys}`` stands for a file of API keys, ``{redis}`` for the URL
    of a Redis and ``{bundle}`` for the bundle. With ``draining`` the server gets SIGTERM before the requests.
    """

    requests: Callable[[], list[Request]]
    settings: Mapping[str, str] = field(default_factory=dict)
    draining: bool = False


def _default() -> list[Request]:
    return [
        *(*scores.scores(), *scores.explanations(), *scores.feedback(), *files.files(), *inference.inference()),
        *(*pages.pages(), *pages.methods(), *raw_http.malformed(), *raw_http.unusual(), *pages.metrics()),
    ]


_STORE = {"REDIS_URL": "{redis}", "PREDICTION_LOG_KEY": "0123456789abcdef", "READ_BODY_TIMEOUT": "1"}
_NOWHERE = "redis://127.0.0.1:1/0"
_ORIGINS = {"CORS_ORIGINS": ",".join(access.ORIGINS)}
_KEYS = {"API_KEYS_FILE": "{keys}"}

SETUPS: Mapping[str, Setup] = {
    "default": Setup(requests=_default),
    "keys": Setup(requests=access.guarded, settings=_KEYS),
    "open": Setup(requests=access.opened, settings=_KEYS | {"PUBLIC_PATHS": "/version /api/1/s* /healthz /readyz"}),
    "origins": Setup(requests=lambda: access.crossing(keys=False), settings=_ORIGINS),
    "origins and keys": Setup(requests=lambda: access.crossing(keys=True), settings=_ORIGINS | _KEYS),
    "limits": Setup(requests=limits.limits, settings=limits.SETTINGS),
    "crowded": Setup(requests=limits.crowded, settings=limits.CROWDED),
    "no metrics": Setup(requests=pages.metrics, settings={"METRICS": "off", "LOG": "off"}),
    "store": Setup(requests=scores.recorded, settings=_STORE),
    "store of texts": Setup(
        requests=scores.recorded,
        settings=_STORE
        | {"PREDICTION_LOG_TEXT": "masked", "PREDICTION_LOG_STREAM": "predictions"}
        | {"SHADOW_BUNDLE": "{bundle}", "SHADOW_SHARE": "1"},
    ),
    "store away": Setup(requests=scores.feedback, settings={"REDIS_URL": _NOWHERE}),
    "draining": Setup(requests=limits.draining, settings={"DRAIN_SECONDS": "60"}, draining=True),
}
"""The configurations, by name."""
