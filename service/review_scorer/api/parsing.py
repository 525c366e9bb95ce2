"""Parses JSON request bodies and query strings, and names the field that is invalid."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from review_scorer.errors import RequestError

Texts = Annotated[str | list[str], msgspec.Meta(description="One review, or a list of reviews")]


class ExplainRequest(msgspec.Struct):
    """Reviews whose scores are explained."""

    texts: Texts


class ScoreRequest(msgspec.Struct):
    """Reviews to score."""

    texts: Texts
    detail: Annotated[
        bool, msgspec.Meta(description="Whether to add the interval, the vocabulary coverage and the prediction id")
    ] = False


_Request = TypeVar("_Request")


def parse_body(
    body: bytes,
    decoder: msgspec.json.Decoder[_Request],
    schema_error: Callable[[str], RequestError] | None = None,
) -> _Request:
    """Return the request in a JSON body.

    ``schema_error`` turns msgspec's message about a missing or mistyped member into the error to raise; the default is
    the one for ``texts`` and ``detail``. Raises ``RequestError`` for a body that is not UTF-8, not JSON or of another
    schema.
    """
    try:
        # msgspec does not validate the UTF-8 of members that it skips.
        body.decode()
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        reason = f"request body is not valid UTF-8 at byte {error.start}: {error.reason}"
        raise RequestError("utf8_invalid", reason) from None
    except msgspec.ValidationError as error:
        raise (schema_error or _schema_error)(str(error)) from None
    except RecursionError:
        reason = 'request body is nested too deeply; send {"texts": "…"}'
        raise RequestError("json_invalid", reason) from None
    except msgspec.DecodeError as error:
        raise _surrogate_error(body) or RequestError(
            "json_invalid", f"request body is not valid JSON: {error}"
        ) from None


def parse_query(query: bytes) -> ScoreRequest:
    """Return the request in a query string: one text, or a list where ``texts`` is repeated.

    Raises ``RequestError`` for a query that is not percent-encoded UTF-8, without ``texts``, or with an invalid
    ``detail``.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"query string is not percent-encoded UTF-8: {error.reason}") from None
    except ValueError as error:
        raise RequestError("query_invalid", f"query string cannot be parsed: {error}") from None
    texts = [value for name, value in pairs if name == "texts"]
    if not texts:
        raise RequestError("texts_missing", 'query string has no "texts"; send ?texts=…', field="texts")
    detail = dict(pairs).get("detail", "false")
    if detail not in {"true", "false"}:
        raise _detail_error()
    return ScoreRequest(texts[0] if len(texts) == 1 else texts, detail=detail == "true")


def check_count(count: int, *, max_texts: int) -> None:
    """Raise ``RequestError`` if a list of ``count`` texts is empty or longer than ``max_texts``."""
    if not count:
        raise RequestError("texts_empty", "the list is empty; send at least one text", field="texts")
    if count > max_texts:
        reason = f"the list has {count:,} texts; send at most {max_texts:,} per request"
        raise RequestError("texts_too_many", reason, field="texts")


def _schema_error(message: str) -> RequestError:
    if "missing required field" in message:
        return RequestError("texts_missing", 'request body has no "texts"; send {"texts": "…"}', field="texts")
    _, _, path = message.rstrip("`").partition("`$.")
    if not path:
        return RequestError("texts_missing", 'request body is not a JSON object; send {"texts": "…"}')
    if path == "detail":
        return _detail_error()
    reason = f"must be a string or a list of strings: {message.partition(' - at')[0]}"
    return RequestError("texts_type", reason, field=path)


def _detail_error() -> RequestError:
    return RequestError("detail_type", "must be true or false", field="detail")


def _surrogate_error(body: bytes) -> RequestError | None:
    """Return the error for a body whose only fault is an unpaired surrogate in a text, else None."""
    try:
        texts = json.loads(body)["texts"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    listed: Sequence[Any] = texts if isinstance(texts, list) else [texts]
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            continue
        position = next((i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff"), None)
        if position is not None:
            reason = f"the text has an unpaired surrogate at position {position}; send the whole character"
            field = f"texts[{index}]" if texts is listed else "texts"
            return RequestError("text_surrogate", reason, field=field)
    return None
