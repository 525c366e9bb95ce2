"""What is asked for, out of bodies and queries; and what is wrong with those that ask for nothing."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from review_scorer.errors import RequestError


class ExplainRequest(msgspec.Struct):
    """What is asked for: what made the score of one text, or of each of a list of them."""

    texts: str | list[str]


class ScoreRequest(msgspec.Struct):
    """What is asked for: the stars of one text, or of a list of them, alone or with details."""

    texts: str | list[str]
    detail: bool = False


_Asked = TypeVar("_Asked")


def decode(
    body: bytes,
    decoder: msgspec.json.Decoder[_Asked],
    wrong_shape: Callable[[str], RequestError] | None = None,
) -> _Asked:
    """Return what a JSON body asks for, or raise a ``RequestError`` that says what is wrong with it.

    ``wrong_shape`` makes the error out of what msgspec says of members; without it, they are those of reviews.
    """
    try:
        # msgspec does not look into the members that it skips.
        body.decode()
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"the body is not UTF-8 at byte {error.start}: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise (wrong_shape or _wrong_shape)(str(error)) from None
    except RecursionError:
        raise RequestError("json_invalid", "the body is nested too deeply; send an object of texts") from None
    except msgspec.DecodeError as error:
        raise _surrogate(body) or RequestError("json_invalid", f"the body is not JSON: {error}") from None


def parse_query(query: bytes) -> ScoreRequest:
    """Return what a query string asks for; its texts are a list where the name is repeated."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise RequestError("utf8_invalid", f"the query is not percent-encoded UTF-8: {error.reason}") from None
    except ValueError as error:
        raise RequestError("query_invalid", f"the query cannot be read: {error}") from None
    texts = [value for name, value in pairs if name == "texts"]
    if not texts:
        raise RequestError("texts_missing", 'the query has no "texts"; ask for ?texts=…', field="texts")
    detail = dict(pairs).get("detail", "false")
    if detail not in {"true", "false"}:
        raise RequestError("detail_type", "true or false is wanted", field="detail")
    return ScoreRequest(texts[0] if len(texts) == 1 else texts, detail=detail == "true")


def check_count(texts: Sequence[str], *, most: int, done: str = "scored") -> None:
    """Raise a ``RequestError`` for a list that is empty or has more than ``most`` texts."""
    check_number(len(texts), most=most, done=done)


def check_number(count: int, *, most: int, done: str = "scored") -> None:
    """Raise a ``RequestError`` where ``count`` texts are none, or more than ``most``."""
    if not count:
        raise RequestError("texts_empty", "the list is empty; send at least one text", field="texts")
    if count > most:
        reason = f"the list has {count:,} texts; at most {most:,} are {done} at a time"
        raise RequestError("texts_too_many", reason, field="texts")


def _wrong_shape(message: str) -> RequestError:
    if "missing required field" in message:
        return RequestError("texts_missing", 'the body has no "texts"; send {"texts": "…"}', field="texts")
    _, _, path = message.rstrip("`").partition("`$.")
    if not path:
        return RequestError("texts_missing", 'the body is not a JSON object; send {"texts": "…"}')
    if path == "detail":
        return RequestError("detail_type", "true or false is wanted", field=path)
    reason = f"a text or a list of texts is wanted: {message.partition(' - at')[0]}"
    return RequestError("texts_type", reason, field=path)


def _surrogate(body: bytes) -> RequestError | None:
    """Return the error for a body that would be JSON, were it not for half a surrogate pair; else None."""
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
            reason = f"the text has half of a surrogate pair at position {position}; send the whole character"
            field = f"texts[{index}]" if texts is listed else "texts"
            return RequestError("text_surrogate", reason, field=field)
    return None
