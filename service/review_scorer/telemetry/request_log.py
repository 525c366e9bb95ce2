"""The log: one line for each request, and the messages of gunicorn and of the service.

Lines are JSON objects or plain text. They never contain a text to score or a query string, which may hold one.
"""

import logging
import os
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from review_scorer.telemetry.log_writer import LogWriter, shared_log_writer
from review_scorer.telemetry.middleware import RequestContext, RequestEvents

JSON, PLAIN, OFF = "json", "plain", "off"
_encode = msgspec.json.Encoder().encode


def install(events: RequestEvents, writer: LogWriter, log_format: str) -> None:
    """Write a line for each request that ``events`` reports to ``writer``, unless ``log_format`` is ``off``."""
    if log_format != OFF:
        events.ended.append(RequestLog(writer, log_format).request_finished)


class RequestLine(msgspec.Struct, omit_defaults=True):
    """The log line of a request: ``time`` of its end, ``worker`` process id, ``key`` name of the API key."""

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
    """The log line of a message of the service; ``trace`` is the stack trace of an exception."""

    time: str
    level: str
    message: str
    process: int | None
    trace: str | None = None


class Timestamps:
    """Formats times by RFC 3339, in UTC with milliseconds. The part up to the second is cached."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, seconds: float) -> str:
        """Return the timestamp of ``seconds`` since the epoch."""
        second = int(seconds)
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((seconds - second) * 1000):03d}Z"


class RequestLog:
    """Writes a line for each finished request."""

    def __init__(self, writer: LogWriter, log_format: str) -> None:
        self._write = writer.write
        self._format = _plain if log_format == PLAIN else _json
        self._timestamp = Timestamps()

    def request_finished(self, context: RequestContext) -> None:
        """Log one request."""
        line = RequestLine(
            self._timestamp(time.time()),
            context.id,
            context.route,
            context.status,
            round(context.seconds * 1000, 3),
            context.texts,
            context.characters,
            context.tokens,
            os.getpid(),
            context.key,
            context.trace_id,
        )
        self._write(self._format(line))


def _json(line: RequestLine) -> bytes:
    return _encode(line) + b"\n"


def _plain(line: RequestLine) -> bytes:
    scored = f", {line.texts} texts, {line.characters} characters, {line.tokens} tokens" if line.texts else ""
    key = f" key={line.key}" if line.key else ""
    return (
        f"{line.time} [{line.worker}] {line.status} {line.route} {line.milliseconds:.1f} ms{scored} id={line.id}{key}\n"
    ).encode()


class JsonFormatter(logging.Formatter):
    """Formats a log record as a JSON object."""

    def __init__(self) -> None:
        super().__init__()
        self._timestamp = Timestamps()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a ``ServiceLine``."""
        trace = self.formatException(record.exc_info) if record.exc_info else None
        message = record.getMessage()
        line = ServiceLine(self._timestamp(record.created), record.levelname.lower(), message, record.process, trace)
        return _encode(line).decode()


class PlainFormatter(logging.Formatter):
    """Formats a log record as plain text, with its time in UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ [%(process)d] %(levelname)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


class LogWriterHandler(logging.Handler):
    """Writes log records with the log writer of the process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        shared_log_writer().write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


def logging_config(log_format: str) -> dict[str, Any]:
    """Return gunicorn's ``logconfig_dict``: one format and one handler for all loggers."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": "INFO", "handlers": ["writer"]},
        "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["writer"], "propagate": False}},
        "handlers": {"writer": {"()": LogWriterHandler, "formatter": "service"}},
        "formatters": {"service": {"()": JsonFormatter if log_format == JSON else PlainFormatter}},
    }
