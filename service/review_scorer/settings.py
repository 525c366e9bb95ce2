"""Everything that can be configured, read once from variables that start with ``SCORER_``."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from review_scorer.compute.cores import available_cores

PREFIX = "SCORER_"
# As browsers send it: in lower case, without a path; the port where it is not the scheme's own.
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
# Never written anywhere, in no error either.
_SECRET = frozenset({"redis_url", "prediction_log_key"})


class SettingsError(Exception):
    """A variable with a value that cannot be used; the message names both and what would be right."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of one service. Field ``max_chars`` is the variable ``SCORER_MAX_CHARS``, and so on."""

    host: str = "127.0.0.1"
    port: int = 4567
    bundle: Path = Path("build/bundle")
    # The compiled MeCab dictionary that the bundle was trained with; empty: IPADIC.
    dictionary: Path | None = None
    # 0: as many as this process may use cores. Scoring is one long computation, so more would only queue inside.
    workers: int = 0
    max_chars: int = 10_000
    max_texts: int = 1_000
    # Explaining a text costs about ten times its score, so a list of this length takes as long as one of max_texts.
    max_explain_texts: int = 100
    max_bytes: int = 1_048_576
    # Of a file whose rows are scored as it arrives, counted after inflating: about a million reviews.
    max_file_bytes: int = 536_870_912
    # A worker refuses what would wait longer than this for its turn: so an answer takes a tenth of a second at most,
    # which people hardly notice, at any load. The queue, three quarters as long, still bridges the pauses of a
    # throttled container.
    queue_timeout: float = 0.05
    # What a worker accepts altogether: lists mostly, each of which then takes its turns. About a second of work, so
    # that a list is answered within a second or two however many others there are.
    max_pending_texts: int = 8_000
    # A phone on a bad line sends 1 MiB in this time; a client that drips bytes to hold a connection does not.
    read_body_timeout: float = 10.0
    # As long for the headers before it, and for an answer to be read: a list's fits into one packet or two.
    read_header_timeout: float = 10.0
    write_timeout: float = 10.0
    # What a worker holds; of more, those that are idle the longest are closed. Within the 1,024 files that a process
    # may open by default.
    max_connections: int = 800
    # Longer than the minute after which most proxies drop idle connections: so they close first and lose no request.
    keepalive_seconds: int = 75
    # Origins of pages elsewhere that may ask this service in their readers' browsers; empty: none.
    cors_origins: tuple[str, ...] = ()
    # After TERM: until load balancers have noticed that this instance is not ready, in Kubernetes one to a few seconds.
    drain_seconds: float = 5.0
    # The longest request is a body that arrives at its deadline and a full list to score after it.
    graceful_timeout: int = 20
    # A worker that does not look up for this long is stuck, not busy, and is replaced: the longest single computation
    # takes some milliseconds, and a container that is held back a second or two.
    worker_timeout: int = 30
    # Where predictions are recorded; empty: nowhere.
    redis_url: str | None = field(default=None, repr=False)
    # What is kept of a text: a keyed hash, the text without personal data, or all of it.
    prediction_log_text: str = "hash"
    # Of the hashes. Without one each start draws its own, and a hash tells nothing beyond it.
    prediction_log_key: str | None = field(default=None, repr=False)
    prediction_log_stream: str = "predictions"
    # About 140 MB in Redis where texts are hashed.
    prediction_log_length: int = 1_000_000
    # What a worker holds while Redis is away, of the texts and about 500 bytes with each: ten seconds of a busy worker.
    prediction_log_buffer_bytes: int = 8_388_608
    # A second bundle, which scores a share of the predictions for comparison; empty: none.
    shadow_bundle: Path | None = None
    shadow_share: float = 0.1
    # Who may ask, see service/review_scorer/access/api_keys.py; None: everybody may.
    api_keys_file: Path | None = None
    # Where no key is needed: the pages, what probes and Prometheus ask for. A * at the end stands for anything.
    public_paths: Sequence[str] = (
        *("/", "/page/*", "/docs", "/docs/*", "/openapi.json"),
        *("/healthz", "/readyz", "/v2/health/*", "/metrics"),
    )
    # Whether there is /metrics.
    metrics: bool = True
    # json: an object a line, for machines; plain: for people; off: plain, and nothing of single requests.
    log: str = "json"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that ``environ`` asks for; raise ``SettingsError`` for the first one that cannot be used."""
    known = {PREFIX + field.name.upper(): field for field in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise SettingsError(f"{name} is not a setting; known are {', '.join(known)}")
        setting = known[name].name
        try:
            values[setting] = _PARSERS[setting](text.strip())
        except ValueError as error:
            shown = name if setting in _SECRET else f"{name}={text!r}"
            raise SettingsError(f"{shown}: {error}") from None
    _check_recording(values)
    return Settings(**values)


def worker_count(settings: Settings) -> int:
    """Return how many workers to start: one for each core that this process may use, unless a number was asked for."""
    return settings.workers or available_cores()


def _check_recording(values: Collection[str]) -> None:
    """Raise ``SettingsError`` for a setting that would do nothing without another one."""
    for name in values:
        if name.startswith(("prediction_log_", "shadow_")) and "redis_url" not in values:
            reason = f"nothing is recorded without {PREFIX}REDIS_URL; set that too, or leave this out"
            raise SettingsError(f"{PREFIX}{name.upper()}: {reason}")
    if "shadow_share" in values and "shadow_bundle" not in values:
        raise SettingsError(f"{PREFIX}SHADOW_SHARE: of what? set {PREFIX}SHADOW_BUNDLE too, or leave this out")


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"wanted a whole number from {low:,} to {high:,}")
        return int(text)

    return parse


def _pause(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)


def _seconds(text: str) -> float:
    wanted = "wanted a number of seconds above 0, at most 3600"
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < seconds <= 3600:
        raise ValueError(wanted)
    return seconds


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin; wanted some as https://shop.example:8443, between commas")
    return origins


def _redis_url(text: str) -> str:
    # The parser's own errors quote what may be a part of the password.
    wanted = (
        "wanted redis://HOST[:PORT][/DATABASE], rediss://… (TLS) or unix:///PATH, "
        "with USER:PASSWORD@ before HOST where it wants them; in those / is written %2F, # %23, ? %3F and @ %40"
    )
    try:
        url = urlsplit(text)
        port, options = url.port, dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    except ValueError:
        raise ValueError(wanted) from None
    if url.scheme == "unix":
        right = bool(url.path.strip("/")) and options.keys() <= {"db", "password"}
    else:
        right = (
            url.scheme in {"redis", "rediss"}
            and bool(url.hostname)
            and port != 0
            and re.fullmatch(r"/?\d{0,4}", url.path) is not None
            and all(name.startswith("ssl_") for name in options)
        )
    if not right or url.fragment:
        raise ValueError(wanted)
    return text


def _key(text: str) -> str:
    if len(text) < 16:
        raise ValueError("wanted at least 16 characters that nobody can guess, as from: openssl rand -hex 32")
    return text


def _stream(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,100}", text, re.ASCII):
        raise ValueError("wanted a name of letters, digits and . : - _")
    return text


def _share(text: str) -> float:
    wanted = "wanted a share above 0, at most 1"
    try:
        share = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < share <= 1:
        raise ValueError(wanted)
    return share


def _text(text: str) -> str:
    if not text:
        raise ValueError("wanted a value, it is empty")
    return text


def _paths(text: str) -> tuple[str, ...]:
    paths = tuple(text.split())
    if not all(path.startswith("/") and "*" not in path[:-1] for path in paths):
        raise ValueError("wanted paths like /healthz or /page/*, with spaces between them")
    return paths


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"wanted {', '.join(values[:-1])} or {values[-1]}")
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
    "drain_seconds": _pause,
    "graceful_timeout": _integer(1, 3_600),
    # A worker gives a sign of life every second or two.
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
    "log": _one_of("json", "plain", "off"),
}
