"""Settings of the service, read once from environment variables that start with ``SCORER_``."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from review_scorer.compute.cores import available_cores

PREFIX = "SCORER_"
# As browsers send it: in lower case, without a path, and with the port only if it is not the scheme's default.
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
# Settings whose values never appear in a message.
_SECRET = frozenset({"redis_url", "prediction_log_key"})


class SettingsError(Exception):
    """An unknown variable or an invalid value; the message names the variable and the values that are allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of one service. The field ``max_chars`` is the variable ``SCORER_MAX_CHARS``, and so on."""

    host: str = "127.0.0.1"
    port: int = 4567
    bundle: Path = Path("build/bundle")
    # The compiled MeCab dictionary that the bundle was trained with; None is IPADIC.
    dictionary: Path | None = None
    # 0 is one per core that this process may use. Scoring is pure computation, so more would compete for cores.
    workers: int = 0
    # Code points of one text.
    max_chars: int = 10_000
    # Texts of one list.
    max_texts: int = 1_000
    # Explaining a text costs about ten times its score, so a list of this length takes as long as one of max_texts.
    max_explain_texts: int = 100
    max_bytes: int = 1_048_576
    # The size of a file after decompression: about a million reviews. Its rows are scored as they arrive.
    max_file_bytes: int = 536_870_912
    # Seconds. A request that would wait longer for its computation is refused, so that a response takes a tenth of a
    # second at most, which people hardly notice, at any load. Three quarters of it still bridge the pauses of a
    # throttled container.
    queue_timeout: float = 0.05
    # The work that a worker accepts, most of it lists. About a second of work, so that a list is answered within a
    # second or two, however many others there are.
    max_pending_texts: int = 8_000
    # Seconds in which a mobile phone with a bad connection sends 1 MiB; a client that drips bytes to hold a connection
    # does not.
    read_body_timeout: float = 10.0
    read_header_timeout: float = 10.0
    # Seconds in which a client must read a response; that to a list fits into one packet or two.
    write_timeout: float = 10.0
    # Per worker; beyond it, the longest idle connections are closed. A process may open 1,024 files by default.
    max_connections: int = 800
    # Longer than the minute after which most proxies close idle connections, so that they close first and lose no
    # request.
    keepalive_seconds: int = 75
    # Origins of other sites whose pages may call this service from a browser.
    cors_origins: tuple[str, ...] = ()
    # Seconds after TERM in which load balancers notice that this instance is not ready: one to a few in Kubernetes.
    drain_seconds: float = 5.0
    # Seconds for the longest request: a body that arrives at its deadline, and a full list to score after it.
    graceful_timeout: int = 20
    # Seconds without a heartbeat after which a worker is stuck and is replaced. The longest single computation takes
    # some milliseconds; a container can be throttled for a second or two.
    worker_timeout: int = 30
    # Where predictions are logged; None turns the prediction log off.
    redis_url: str | None = field(default=None, repr=False)
    # What is logged of a text: a keyed hash, the text without personal data, or the whole text.
    prediction_log_text: str = "hash"
    # The key of the hashes; without one, each start makes a random one, and hashes of two starts cannot be compared.
    prediction_log_key: str | None = field(default=None, repr=False)
    prediction_log_stream: str = "predictions"
    # Entries; about 140 MB in Redis if texts are hashed.
    prediction_log_length: int = 1_000_000
    # What a worker buffers while Redis is unavailable, at about 500 bytes plus the text per prediction: ten seconds of
    # load.
    prediction_log_buffer_bytes: int = 8_388_608
    # A second bundle that scores a share of the predictions for comparison.
    shadow_bundle: Path | None = None
    shadow_share: float = 0.1
    # The file of API keys, see service/review_scorer/access/api_keys.py; None turns authentication off.
    api_keys_file: Path | None = None
    # Paths that need no key: pages, health checks and metrics. A * at the end matches any suffix.
    public_paths: Sequence[str] = (
        *("/", "/page/*", "/docs", "/docs/*", "/openapi.json"),
        *("/healthz", "/readyz", "/v2/health/*", "/metrics"),
    )
    # Whether /metrics exists.
    metrics: bool = True
    # Whether one small review is answered without the web framework: the same response for two thirds of the CPU.
    fast_path: bool = True
    # json: one object per line; plain: for people; off: plain, without a line per request.
    log: str = "json"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in ``environ``; raise ``SettingsError`` for the first invalid one."""
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in known:
            raise SettingsError(f"{variable} is not a setting; {_suggestion(variable, known)}")
        name = known[variable]
        try:
            values[name] = _PARSERS[name](text.strip())
        except ValueError as error:
            shown = variable if name in _SECRET else f"{variable}={text!r}"
            raise SettingsError(f"{shown}: {error}") from None
    _check_dependencies(values)
    return Settings(**values)


def worker_count(settings: Settings) -> int:
    """Return the number of workers to start: the configured one, or one for each core that this process may use."""
    return settings.workers or available_cores()


def _suggestion(variable: str, known: Collection[str]) -> str:
    # Without the prefix, which all names share.
    names = [name.removeprefix(PREFIX) for name in known]
    closest = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
    return f"did you mean {PREFIX}{closest[0]}?" if closest else f"the settings are {', '.join(known)}"


def _check_dependencies(names: Collection[str]) -> None:
    """Raise ``SettingsError`` for a setting that has no effect without another one."""
    for name in names:
        if name.startswith(("prediction_log_", "shadow_")) and "redis_url" not in names:
            raise SettingsError(f"{PREFIX}{name.upper()} needs {PREFIX}REDIS_URL")
    if "shadow_share" in names and "shadow_bundle" not in names:
        raise SettingsError(f"{PREFIX}SHADOW_SHARE needs {PREFIX}SHADOW_BUNDLE")


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low:,} to {high:,}")
        return int(text)

    return parse


def _seconds_or_zero(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)


def _seconds(text: str) -> float:
    return _number(text, high=3600, expected="must be a number of seconds above 0, at most 3600")


def _number(text: str, *, high: float, expected: str) -> float:
    """Return a number above 0 and at most ``high``."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < number <= high:
        raise ValueError(expected)
    return number


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is not an origin; must be like https://shop.example:8443, separated by commas"
            )
    return origins


def _redis_url(text: str) -> str:
    # The parser's own errors may quote a part of the password.
    expected = (
        "must be redis://HOST[:PORT][/DATABASE], rediss://… (TLS) or unix:///PATH, "
        "with USER:PASSWORD@ before HOST if needed, in which / is written %2F, # %23, ? %3F and @ %40"
    )
    try:
        url = urlsplit(text)
        port, options = url.port, dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    except ValueError:
        raise ValueError(expected) from None
    if url.scheme == "unix":
        valid = bool(url.path.strip("/")) and options.keys() <= {"db", "password"}
    else:
        valid = (
            url.scheme in {"redis", "rediss"}
            and bool(url.hostname)
            and port != 0
            and re.fullmatch(r"/?\d{0,4}", url.path) is not None
            and all(name.startswith("ssl_") for name in options)
        )
    if not valid or url.fragment:
        raise ValueError(expected)
    return text


def _key(text: str) -> str:
    if len(text) < 16:
        raise ValueError("must have at least 16 random characters, as printed by: openssl rand -hex 32")
    return text


def _stream(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,100}", text, re.ASCII):
        raise ValueError("must consist of letters, digits and . : - _, at most 100")
    return text


def _share(text: str) -> float:
    return _number(text, high=1, expected="must be a number above 0, at most 1")


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _paths(text: str) -> tuple[str, ...]:
    paths = tuple(text.split())
    if not all(path.startswith("/") and "*" not in path[:-1] for path in paths):
        raise ValueError("must be paths like /healthz or /page/*, separated by spaces")
    return paths


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"must be {', '.join(values[:-1])} or {values[-1]}")
        return text

    return parse


def _switch(text: str) -> bool:
    return _one_of("on", "off")(text) == "on"


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "host": _text,
    "port": _integer(1, 65_535),
    "bundle": lambda text: Path(_text(text)),
    "dictionary": lambda text: Path(_text(text)),
    "workers": _integer(0, 1_024),
    "max_chars": _integer(1, 1_000_000),
    "max_texts": _integer(1, 1_000_000),
    "max_explain_texts": _integer(1, 1_000_000),
    "max_bytes": _integer(64, 1_073_741_824),
    "max_file_bytes": _integer(64, 1_099_511_627_776),
    "queue_timeout": _seconds,
    "max_pending_texts": _integer(1, 10_000_000),
    "read_body_timeout": _seconds,
    "read_header_timeout": _seconds,
    "write_timeout": _seconds,
    "max_connections": _integer(1, 1_000_000),
    "keepalive_seconds": _integer(1, 3_600),
    "cors_origins": _origins,
    "drain_seconds": _seconds_or_zero,
    "graceful_timeout": _integer(1, 3_600),
    # A worker sends a heartbeat every second or two.
    "worker_timeout": _integer(4, 3_600),
    "redis_url": _redis_url,
    "prediction_log_text": _one_of("hash", "masked", "full"),
    "prediction_log_key": _key,
    "prediction_log_stream": _stream,
    "prediction_log_length": _integer(1, 1_000_000_000),
    "prediction_log_buffer_bytes": _integer(1_024, 1_073_741_824),
    "shadow_bundle": lambda text: Path(_text(text)),
    "shadow_share": _share,
    "api_keys_file": lambda text: Path(_text(text)),
    "public_paths": _paths,
    "metrics": _switch,
    "fast_path": _switch,
    "log": _one_of("json", "plain", "off"),
}
