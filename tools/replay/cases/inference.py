"""Requests of the Open Inference Protocol."""

import gzip
import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from tools.replay.cases.texts import BLANK, ODD, REVIEWS
from tools.replay.exchange import JSON, REVIEW, Request, get, named, post, post_chunks, post_json

INFER = "/v2/models/reviews/infer"
_MODEL = "/v2/models/reviews"
_LENGTH = b"Inference-Header-Content-Length"
_LONGEST = 10_000


def tensor(texts: Sequence[Any], **members: Any) -> dict[str, Any]:
    """Return the input tensor of ``texts``; ``members`` override its members."""
    return {"name": "texts", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)} | members


def asked(*inputs: Any, **members: Any) -> dict[str, Any]:
    """Return an inference request with ``inputs`` and further members."""
    return {"inputs": list(inputs), **members}


def _elements(*texts: bytes) -> bytes:
    return b"".join([struct.pack("<I", len(text)) + text for text in texts])


def _binary(request: dict[str, Any], data: bytes, *, length: bytes | None = None, announced: bool = True) -> bytes:
    start = json.dumps(request).encode()
    fields = (_LENGTH + b": " + (length or b"%d" % len(start)),) if announced else ()
    return post(INFER, start + data, b"Content-Type: application/octet-stream", *fields)


def _sized(count: int, size: int, **members: Any) -> dict[str, Any]:
    binary = {"name": "texts", "shape": [count], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    return asked(binary | members)


def inference() -> list[Request]:
    """Return requests to all endpoints under ``/v2``."""
    places = {
        **{path: get(path) for path in ("/v2", "/v2/health/live", "/v2/health/ready", _MODEL, f"{_MODEL}/ready")},
        **{path: get(path) for path in ("/v2/", "/v2/models", "/v2/models/other", "/v2/models/other/ready", "/v2x")},
        "/v2/models/other/infer": post_json("/v2/models/other/infer", asked(tensor([REVIEW]))),
        "a version of the model": get(f"{_MODEL}/versions/1"),
        "infer by GET": get(INFER),
    }
    return [*named(places), *_right(), *_wrong_shape(), *_broken(), *_binaries(), *_compressed()]


def _right() -> list[Request]:
    plain = tensor(REVIEWS)
    column = tensor([[text] for text in REVIEWS], shape=[len(REVIEWS), 1])
    values = {
        "a list": asked(plain),
        "one text": asked(tensor([REVIEW])),
        "a column": asked(column),
        "a column without its lists": asked(tensor(REVIEWS, shape=[len(REVIEWS), 1])),
        "an id": asked(plain, id="42"),
        "an empty id": asked(plain, id=""),
        "an id of null": asked(plain, id=None),
        "an output": asked(plain, outputs=[{"name": "score"}]),
        "no outputs": asked(plain, outputs=[]),
        "a binary output": asked(plain, outputs=[{"name": "score", "parameters": {"binary_data": True}}]),
        "binary outputs": asked(plain, parameters={"binary_data_output": True}),
        "binary outputs of a column": asked(column, id="a", parameters={"binary_data_output": True}),
        "binary outputs but for one": asked(
            plain,
            parameters={"binary_data_output": True},
            outputs=[{"name": "score", "parameters": {"binary_data": False}}],
        ),
        "further members": asked(plain | {"more": 1}, more={"a": []}, parameters={"priority": 1}),
        "all that is odd": asked(tensor(list(ODD.values()))),
    }
    return named({name: post_json(INFER, value) for name, value in values.items()}, "infer ")


def _wrong_shape() -> list[Request]:
    values = {
        "nothing": {},
        "an array": [1],
        "no inputs": asked(),
        "two inputs": asked(tensor(["a"]), tensor(["b"])),
        "another input": asked(tensor(["a"], name="text")),
        "another type": asked(tensor([1], datatype="INT64")),
        "a type of strings": asked(tensor(["a"], datatype="STRING")),
        "no name": asked({"shape": [1], "datatype": "BYTES", "data": ["a"]}),
        "no shape": asked({"name": "texts", "datatype": "BYTES", "data": ["a"]}),
        "no type": asked({"name": "texts", "shape": [1], "data": ["a"]}),
        "no data": asked({"name": "texts", "shape": [1], "datatype": "BYTES"}),
        "a shape of nothing": asked(tensor(["a"], shape=[])),
        "a shape of three": asked(tensor(["a"], shape=[1, 1, 1])),
        "a shape of rows": asked(tensor([["a", "b"]], shape=[1, 2])),
        "a negative shape": asked(tensor(["a"], shape=[-1])),
        "a shape of halves": asked(tensor(["a"], shape=[1.5])),
        "a shape of a string": asked(tensor(["a"], shape="1")),
        "a shape of none": asked(tensor([])),
        "a shape of more": asked(tensor(["a"], shape=[2])),
        "a shape of fewer": asked(tensor(["a", "b"], shape=[1])),
        "too many texts": asked(tensor(["a"] * 1_001)),
        "a shape of too many": asked(tensor(["a"], shape=[10**12])),
        "numbers": asked(tensor([1])),
        "null": asked(tensor([None])),
        "lists of two": asked(tensor([["a", "b"]], shape=[1, 1])),
        "lists in a list": asked(tensor([["a"]])),
        "lists of nothing": asked(tensor([[]], shape=[1, 1])),
        "data and a size": asked(tensor(["a"], parameters={"binary_data_size": 5})),
        "a negative size": asked(tensor(["a"], parameters={"binary_data_size": -5})),
        "an id of a number": asked(tensor(["a"]), id=42),
        "another output": asked(tensor(["a"]), outputs=[{"name": "stars"}]),
        "two outputs": asked(tensor(["a"]), outputs=[{"name": "score"}, {"name": "score"}]),
        "classes": asked(tensor(["a"]), outputs=[{"name": "score", "parameters": {"classification": 2}}]),
        "shared memory": asked(tensor(["a"]), outputs=[{"name": "score", "parameters": {"shared_memory_region": "r"}}]),
        "a parameter of another type": asked(tensor(["a"]), parameters={"binary_data_output": 1}),
        **{f"a blank text, {name}": asked(tensor(["a", text])) for name, text in BLANK.items()},
        "NUL": asked(tensor(["a\0b"])),
        "half a surrogate pair": asked(tensor(["a\ud800b"])),
        "too long a text": asked(tensor(["a", "良" * (_LONGEST + 1)])),
    }
    return named({name: post_json(INFER, value, escaped=True) for name, value in values.items()}, "infer with ")


def _broken() -> list[Request]:
    whole = json.dumps(asked(tensor(["a good stay"]))).encode()
    bodies = {
        "nothing": b"",
        "half an object": whole[:-1],
        "letters": b"texts",
        "bytes that are no UTF-8": whole.replace(b"good", b"g\xffod"),
        "deep arrays": b'{"inputs":' + b"[" * 100_000,
        "bytes after it": whole + b"\0",
        "too many bytes": whole.ljust(1_048_577),
    }
    return [
        *named({name: post(INFER, body, JSON) for name, body in bodies.items()}, "infer with a body of "),
        *named({"infer in chunks": post_chunks(INFER, whole[:9], whole[9:])}),
    ]


def _binaries() -> list[Request]:
    data = _elements(*[text.encode() for text in REVIEWS])
    count, size = len(REVIEWS), len(data)
    two = _elements(b"a", b"b")
    answer = {"parameters": {"binary_data_output": True}}
    sent = {
        "texts": _binary(_sized(count, size), data),
        "texts and scores": _binary(_sized(count, size) | answer, data),
        "a column and scores": _binary(_sized(count, size, shape=[count, 1]) | answer, data),
        "a size beyond its bytes": _binary(_sized(2, 99), two),
        "a size below its bytes": _binary(_sized(2, 4), two),
        "more texts than its shape": _binary(_sized(1, len(two)), two),
        "fewer texts than its shape": _binary(_sized(3, len(two)), two),
        "a text beyond its end": _binary(_sized(1, 5), struct.pack("<I", 2) + b"a"),
        "half a length": _binary(_sized(1, 3), b"\1\0\0"),
        "the largest length": _binary(_sized(1, 5), b"\xff\xff\xff\xffa"),
        "no bytes": _binary(_sized(1, 0), b""),
        "an empty text": _binary(_sized(2, 9), _elements(b"a", b"")),
        "a text that is no UTF-8": _binary(_sized(2, 10), _elements(b"a", b"\xff")),
        "a text with half a surrogate pair": _binary(_sized(1, 7), _elements(b"\xed\xa0\x80")),
        "a text with NUL": _binary(_sized(1, 7), _elements(b"a\0b")),
        "no length of the JSON": _binary(_sized(2, len(two)), two, announced=False),
        "a length of letters": _binary(_sized(2, len(two)), two, length=b"x"),
        "a negative length": _binary(_sized(2, len(two)), two, length=b"-1"),
        "a length beyond the body": _binary(_sized(2, len(two)), two, length=b"9999"),
        "a length of hundreds of digits": _binary(_sized(2, len(two)), two, length=b"0" * 300),
        "a length within the JSON": _binary(_sized(2, len(two)), two, length=b"5"),
        "a length of nought": _binary(_sized(2, len(two)), two, length=b"0"),
        "bytes that nobody announced": _binary(asked(tensor(["a"])), two),
    }
    return named(sent, "binary tensor: ")


def _compressed() -> list[Request]:
    whole = json.dumps(asked(tensor(REVIEWS))).encode()
    zipped, deflated = gzip.compress(whole, mtime=0), zlib.compress(whole)
    bodies = {
        ("gzip", "gzip"): zipped,
        ("GZIP", "gzip"): zipped,
        ("deflate", "deflate"): deflated,
        ("identity", "nothing"): whole,
        ("gzip", "nothing"): whole,
        ("gzip", "deflate"): deflated,
        ("br", "gzip"): zipped,
        ("gzip, gzip", "gzip"): zipped,
        ("gzip", "gzip, cut off"): zipped[:-9],
        ("gzip", "gzip with more after it"): zipped + b"a",
        ("gzip", "gzip, damaged"): zipped[:30] + b"\xff\xff\xff" + zipped[33:],
        ("gzip", "gzip of more than is read"): gzip.compress(whole.ljust(1_048_577), mtime=0),
        ("deflate", "raw deflate"): deflated[2:-4],
        ("gzip", "no bytes"): b"",
    }
    sent = {
        f"{coding} that is {content}": post(INFER, body, JSON, b"Content-Encoding: " + coding.encode())
        for (coding, content), body in bodies.items()
    }
    return named(sent, "infer with a coding of ")
