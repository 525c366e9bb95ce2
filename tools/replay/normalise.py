"""Normal form of responses, equal for two runs of the same code.

Values that differ between runs are replaced by a name in angle brackets: dates, ids, waiting times, values of metrics,
ports. So are values that follow from the body: its length, if it is right, and its ETag. The order and case of headers
do not matter.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tools.replay.client import Json, as_bytes

Rename = tuple[str, str]

_ID = re.compile(r"(?<![0-9a-f-])(?!00000000-)[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d{4,5}")
_WAIT = re.compile(r"again in [0-9.e+]+ s\b")
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?) \S+$", re.MULTILINE)
_ENTRY = re.compile(r"\b\d{13}-\d+\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
_OWN_ID = re.compile(r"[0-9a-f]{16}")
_TAG = re.compile(r'(W/)?"[0-9a-f]{32}"')
# The length prefix of a string in the Redis protocol.
_LENGTH = re.compile(r"^\$\d+(?=\r$)", re.MULTILINE)

_FIELD = re.compile(r"([\w.\[\]-]+): ")
_CODE = re.compile(r"(\w+): ")
_CODES = re.compile(r"`\w+`( `\w+`)*")
_HELP = re.compile(r"^(# HELP \S+) .*$", re.MULTILINE)
_MESSAGE = "<message>"


class Normalizer:
    """Normalises responses after applying ``renames``; without ``messages``, texts for people are removed."""

    def __init__(self, *, renames: Sequence[Rename] = (), messages: bool = True) -> None:
        self._renames = renames
        self._messages = messages

    def normalise(self, line: Mapping[str, Any]) -> Json:
        """Return the normal form of a recorded line: ``sent``, ``end``, ``answers`` and ``rest``."""
        # Whether a connection ends as closed or reset depends on timing.
        end = "open" if line["end"] == "open" else "closed"
        rest = _LENGTH.sub("<length>", self._text(as_bytes(line["rest"]).decode("utf-8", "backslashreplace")))
        return {"sent": line["sent"], "end": end, "answers": list(map(self._answer, line["answers"])), "rest": rest}

    def _answer(self, answer: Mapping[str, Any]) -> Json:
        content = as_bytes(answer["body"])
        headers = [(self._renamed_header(name.lower()), self._renamed(value)) for name, value in answer["headers"]]
        media, _, parameters = dict(headers).get("content-type", "").partition(";")
        charset = parameters.partition("charset=")[2] or "utf-8"
        body = self._renamed(_decoded(content, charset))
        if not self._messages:
            body = _without_messages(body, media.strip())
        body = _settled(body, metrics="version=" in parameters)
        refused = int(answer["status"].split()[1]) >= 400
        named = [(name, self._header(name, value, size=len(content), refused=refused)) for name, value in headers]
        return {"status": self._renamed(answer["status"]), "headers": sorted(named), "body": body}

    def _header(self, name: str, value: str, *, size: int, refused: bool) -> str:
        match name:
            case "date":
                return "<date>"
            case "x-request-id" if _OWN_ID.fullmatch(value):
                return "<id>"
            case "etag" if _TAG.fullmatch(value):  # a digest of the body, which is compared anyway
                return "<tag>"
            case "retry-after" if len(value) > 1:  # computed; fixed values have one digit
                return "<seconds>"
            # A right length needs no comparison, since the body is compared.
            case "content-length" if int(value) == size or (refused and not self._messages):
                return "<length>"
            case _:
                return self._text(value)

    def _text(self, text: str) -> str:
        return _settled(self._renamed(text), metrics=False)

    def _renamed_header(self, name: str) -> str:
        for old, new in self._renames:
            name = name.replace(old.lower(), new.lower())
        return name

    def _renamed(self, text: str) -> str:
        for old, new in self._renames:
            text = text.replace(old, new)
        return text


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return content.decode("latin-1")


def _settled(text: str, *, metrics: bool) -> str:
    text = _ID.sub("<prediction>", text)
    text = _PORT.sub(r"\1:<port>", text)
    text = _WAIT.sub("again in <seconds> s", text)
    text = _TIME.sub("<time>", _ENTRY.sub("<entry>", text))
    return _SAMPLE.sub(r"\1 <number>", text) if metrics else text


def _without_messages(body: str, media: str) -> str:
    """Return a body without messages for people; codes and fields stay."""
    delimiters = {"text/csv": ",", "text/tab-separated-values": "\t"}
    try:
        if media in delimiters:
            return _table(body, delimiters[media])
        if media == "application/jsonl":
            return "".join(_dump(_objects(json.loads(line))) + "\n" for line in body.split("\n") if line)
        if media == "application/json" and body:
            return _dump(_worded(json.loads(body)))
    except (ValueError, csv.Error):
        return body
    return _HELP.sub(r"\1 " + _MESSAGE, body)


def _table(body: str, delimiter: str) -> str:
    rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=delimiter))
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows([*row[:-1], _coded(row[-1])] for row in rows if row)
    return file.getvalue()


def _objects(record: Any) -> Any:
    return {name: _coded(value) if name.endswith("error") else value for name, value in record.items()}


def _coded(error: Any) -> Any:
    """Return the error of a row without its message."""
    found = _CODE.match(error) if isinstance(error, str) else None
    return f"{found[1]}: {_MESSAGE}" if found else error


def _worded(value: Any, name: str = "") -> Any:
    """Return a JSON value without its messages; ``name`` is its member name."""
    if isinstance(value, list):
        return [_worded(each, name) for each in value]
    if isinstance(value, dict):
        # In the OpenAPI document, the examples of a message are messages too.
        message = name in {"reason", "error"}
        return {key: _worded(each, name if message and key == "examples" else key) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    if name == "error":
        # Under /v2 an error is one string that starts with the field, if there is one.
        found = _FIELD.match(value)
        return f"{found[1]}: {_MESSAGE}" if found else _MESSAGE
    # The description of an error response has its codes.
    wordy = name in {"reason", "summary"} or (name == "description" and not _CODES.fullmatch(value))
    return _MESSAGE if wordy else value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
