"""What is logged, and in which form: a line a request, and what gunicorn and the service say of themselves.

As JSON for machines, one object a line, or plain for people. Never a text, nor a query, which may hold one.
"""

import logging
import os
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from review_scorer.telemetry.log_writer import Lines, shared_log_writer
from review_scorer.telemetry.middleware import RequestContext, RequestEvents

JSON, PLAIN, OFF = "json", "plain", "off"
_encode = msgspec.json.Encoder().encode


def install(watch: RequestEvents, lines: Lines, form: str) -> None:
    """Let a line of each exchange that ``watch`` tells of be written to ``lines``, unless ``form`` is off."""
    if form != OFF:
        watch.ended.append(RequestLog(lines, form).ended)


class RequestLine(msgspec.Struct, omit_defaults=True):
    """What is said of one request; ``time`` is when it ended, ``worker`` the process id, ``key`` the key's name."""

    time: str
    id: str
    route: str
    status: int
    milliseconds: float
    texts: int
    characters: int
    tokens: int
    worker: int
    key: str | None = None
    trace_id: str | None = None


class ServiceLine(msgspec.Struct, omit_defaults=True):
    """What the service says of itself."""

    time: str
    level: str
    message: str
    process: int | None
    trace: str | None = None


class Timestamps:
    """Times in the form of RFC 3339, in UTC and milliseconds; what is the same all second long is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, seconds: float) -> str:
        """Return the time of ``seconds`` since the epoch."""
        second = int(seconds)
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((seconds - second) * 1000):03d}Z"


class RequestLog:
    """Writes a line of each exchange that ended."""

    def __init__(self, lines: Lines, form: str) -> None:
        self._put = lines.put
        self._write = _plain if form == PLAIN else _json
        self._timestamp = Timestamps()

    def ended(self, exchange: RequestContext) -> None:
        """Log one exchange."""
        line = RequestLine(
            self._timestamp(time.time()),
            exchange.id,
            exchange.route,
            exchange.status,
            round(exchange.seconds * 1000, 3),
            exchange.texts,
            exchange.characters,
            exchange.tokens,
            os.getpid(),
            exchange.key,
            exchange.trace_id,
        )
        self._put(self._write(line))


def _json(line: RequestLine) -> bytes:
    return _encode(line) + b"\n"


def _plain(line: RequestLine) -> bytes:
    scored = f", {line.texts} texts, {line.characters} characters, {line.tokens} tokens" if line.texts else ""
    key = f" key={line.key}" if line.key else ""
    return (
        f"{line.time} [{line.worker}] {line.status} {line.route} {line.milliseconds:.1f} ms{scored} id={line.id}{key}\n"
    ).encode()


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object."""

    def __init__(self) -> None:
        super().__init__()
        self._timestamp = Timestamps()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's ``ServiceLine``."""
        trace = self.formatException(record.exc_info) if record.exc_info else None
        message = record.getMessage()
        line = ServiceLine(self._timestamp(record.created), record.levelname.lower(), message, record.process, trace)
        return _encode(line).decode()


class PlainFormatter(logging.Formatter):
    """A log record for people, its time in UTC as everywhere."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ [%(process)d] %(levelname)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


class LineHandler(logging.Handler):
    """Sends log records the way of all lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        shared_log_writer().put(f"{self.format(record)}\n".encode(errors="backslashreplace"))


def configuration(form: str) -> dict[str, Any]:
    """Return gunicorn's ``logconfig_dict`` under which everything that is logged has one form and goes one way."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": "INFO", "handlers": ["lines"]},
        "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["lines"], "propagate": False}},
        "handlers": {"lines": {"()": LineHandler, "formatter": "service"}},
        "formatters": {"service": {"()": JsonFormatter if form == JSON else PlainFormatter}},
    }
