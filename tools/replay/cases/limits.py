"""Requests to a service with small limits and short timeouts, to an overloaded one and to a draining one."""

import gzip
import json

from tools.replay.cases.files import CSV, FILES, LINES, held
from tools.replay.cases.inference import INFER, asked, tensor
from tools.replay.cases.scores import EXPLAIN, FEEDBACK, PREDICTION, SCORES
from tools.replay.exchange import CLOSE, JSON, SMALL, Request, chunks, get, head, named, post, post_chunks, post_json

SETTINGS = {
    "MAX_CHARS": "40",
    "MAX_TEXTS": "3",
    "MAX_EXPLAIN_TEXTS": "2",
    "MAX_BYTES": "2000",
    "MAX_FILE_BYTES": "5000",
    "READ_BODY_TIMEOUT": "0.5",
    "READ_HEADER_TIMEOUT": "0.5",
    "WRITE_TIMEOUT": "5",
    "KEEPALIVE_SECONDS": "1",
}
"""Small limits and short timeouts."""

CROWDED = {"MAX_PENDING_TEXTS": "256"}
"""A queue that four files fill."""

_FILES_AT_ONCE = 4
_LONG = "良" * 41


def limits() -> list[Request]:
    """Return requests that exceed a limit or a timeout."""
    sent = {
        "the longest text": post_json(SCORES, {"texts": "良" * 40}),
        "too long a text": post_json(SCORES, {"texts": _LONG}),
        "too long a text in a list": post_json(SCORES, {"texts": ["a", _LONG]}),
        "too long a text by a query": get(f"{SCORES}?texts={'a' * 41}"),
        "too long a text to be explained": post_json(EXPLAIN, {"texts": _LONG}),
        "too long a text of feedback": post_json(FEEDBACK, {"id": PREDICTION, "stars": 4, "texts": _LONG}),
        "too long a text of a tensor": post_json(INFER, asked(tensor([_LONG]))),
        "too many texts": post_json(SCORES, {"texts": ["a"] * 4}),
        "too many texts by a query": get(f"{SCORES}?" + "&".join(["texts=a"] * 4)),
        "too many texts to be explained": post_json(EXPLAIN, {"texts": ["a"] * 3}),
        "too many texts of a tensor": post_json(INFER, asked(tensor(["a"] * 4))),
        "the longest body": post(SCORES, SMALL.ljust(2_000)),
        "too long a body": post(SCORES, SMALL.ljust(2_001)),
        "too long a body in chunks": post_chunks(SCORES, SMALL, b" " * 2_000),
        "too long a body that nobody reads": head("POST", SCORES, b"Content-Length: 99999", CLOSE),
        "too long a body that waits": head("POST", SCORES, b"Content-Length: 9999", b"Expect: 100-continue", CLOSE),
        "a body of any length that waits": head("POST", SCORES, b"Content-Length: 100", b"Expect: 100-continue", CLOSE),
        "too long a body to be explained": post(EXPLAIN, SMALL.ljust(2_001)),
        "too long a body of a tensor": post(INFER, json.dumps(asked(tensor(["a"]))).encode().ljust(2_001)),
        "a tensor that inflates too far": post(
            INFER, gzip.compress(b" " * 2_001, mtime=0), JSON, b"Content-Encoding: gzip"
        ),
        "too long a query": get(f"{SCORES}?texts=a&more={'b' * 3_000}"),
        "too long a file": post(FILES, b"texts\n" + b"a stay\n" * 1_000, CSV),
        "too long a file in chunks": post_chunks(FILES, b"texts\n", *[b"a stay\n" * 100] * 10, fields=(CSV,)),
        "too long a file in chunks before its rows": post_chunks(FILES, *[b" " * 1_000] * 10, fields=(CSV,)),
        "a file that inflates too far": post(FILES, gzip.compress(b"texts\na\n" + b" " * 9_000, mtime=0), CSV),
        "a file that inflates too far at once": post(FILES, gzip.compress(b"texts" + b" " * 9_000, mtime=0), CSV),
        "too long a text in a file": post(FILES, f"texts\n{_LONG}\na\n".encode(), CSV),
        "too long a text in objects": post(FILES, json.dumps({"texts": _LONG}).encode(), LINES),
    }
    return [*named(sent), *_slow()]


def _slow() -> list[Request]:
    file = head("POST", FILES, CSV, b"Content-Length: 100")
    slow = {
        "no request": b"",
        "half a line": b"GET /hea",
        "half a head": head("GET", "/healthz")[:-2],
        "half a head after a request": head("GET", "/healthz") + b"GET /",
        "nothing after a request": head("GET", "/healthz"),
        "half a body": post(SCORES, SMALL)[:-5],
        "half a body after a request": post(SCORES, SMALL, last=False) + post(SCORES, SMALL)[:-5],
        "half a body to be explained": post(EXPLAIN, SMALL)[:-5],
        "half a body of feedback": post(FEEDBACK, SMALL)[:-5],
        "half a body of a tensor": post(INFER, SMALL)[:-5],
        "half a body for nobody": post("/nowhere", SMALL)[:-5],
        "no body": head("POST", SCORES, b"Content-Length: 5"),
        "half a chunk": head("POST", SCORES, b"Transfer-Encoding: chunked") + b"20\r\n" + SMALL[:9],
        "no last chunk": head("POST", SCORES, b"Transfer-Encoding: chunked") + chunks(SMALL)[:-5],
        "a chunk of a size beyond all": head("POST", SCORES, b"Transfer-Encoding: chunked") + b"ffffffffffffffff\r\na",
        "half a file": file + b"texts\na",
        "half a file after its first rows": file + b"texts\n" + b"a\n" * 20,
        "no file": file,
    }
    return [
        *named(slow, "late: "),
        Request(name="late: a body that was waited for", steps=(_waiting(SCORES), b"{")),
        Request(name="late: a file that was waited for", steps=(_waiting(FILES), b"texts")),
        Request(name="cut: a body", steps=(post(SCORES, SMALL)[:-5],), cut=True),
        Request(name="cut: a head", steps=(head("GET", "/healthz")[:-2],), cut=True),
    ]


def _waiting(path: str) -> bytes:
    return head("POST", path, b"Content-Length: 100", b"Expect: 100-continue")


def crowded() -> list[Request]:
    """Return requests to a service that already scores the maximum number of files."""
    others = (held(),) * _FILES_AT_ONCE
    sent = {
        "a file": post(FILES, b"texts\na\n", CSV),
        "a file in chunks": post_chunks(FILES, b"texts\na\n", fields=(CSV,)),
        "a score": post(SCORES, SMALL),
        "a list": post_json(SCORES, {"texts": ["a", "b"]}),
        "a score by a query": get(f"{SCORES}?texts=a"),
        "a score of a page of another origin": post(SCORES, SMALL, b"Origin: https://shop.invalid"),
        "an explanation": post(EXPLAIN, SMALL),
        "a tensor": post_json(INFER, asked(tensor(["a"]))),
        "feedback": post_json(FEEDBACK, {"id": PREDICTION, "stars": 4}),
        "a fact": get("/version"),
        "HEAD": get(SCORES, method="HEAD"),
    }
    further = {
        "a score and a further request": post(SCORES, SMALL, last=False) + get("/healthz"),
        "a longer body and a further request": post(SCORES, SMALL.ljust(400), last=False) + get("/healthz"),
        "a list and a further request": post(SCORES, b'{"texts":["a"]}', last=False) + get("/healthz"),
    }
    return [Request(name=name, steps=(content,), held=others) for name, content in (sent | further).items()]


def draining() -> list[Request]:
    """Return requests to a service that is draining."""
    sent = {
        "the probe of readiness": get("/readyz"),
        "the probe of life": get("/healthz"),
        "the protocol's probe of readiness": get("/v2/health/ready"),
        "the protocol's probe of life": get("/v2/health/live"),
        "the model's probe": get("/v2/models/reviews/ready"),
        "HEAD of the probe": get("/readyz", method="HEAD"),
        "a score": post(SCORES, SMALL),
        "a file": post(FILES, b"texts\na good stay\n", CSV),
    }
    return named(sent)
