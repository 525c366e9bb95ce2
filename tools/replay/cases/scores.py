"""Requests for scores, explanations and feedback."""

from urllib.parse import quote

from tools.replay.cases.texts import BLANK, ODD, REVIEWS
from tools.replay.exchange import CLOSE, JSON, REVIEW, SMALL, Request, get, head, named, post, post_chunks, post_json

SCORES, USERS, EXPLAIN, FEEDBACK = "/api/1/scores", "/api/1/users", "/api/1/explain", "/api/1/feedback"
PREDICTION = "00000000-0000-7000-8000-00000000000a"
"""A prediction id that no service returns."""

_LONGEST = 10_000
_MOST_TEXTS, _MOST_EXPLAINED, _MOST_BYTES = 1_000, 100, 1_048_576
_DEEP = 100_000
_START = b'{"texts":"'

_SHAPES = {
    "an empty object": b"{}",
    "another member alone": b'{"text":"a"}',
    "an array": b'["a"]',
    "a string": b'"a"',
    "a number": b"1",
    "null": b"null",
    "texts of null": b'{"texts":null}',
    "texts of a number": b'{"texts":5}',
    "texts of true": b'{"texts":true}',
    "texts of an object": b'{"texts":{"a":"b"}}',
    "texts with a number": b'{"texts":["a",5]}',
    "texts with null": b'{"texts":["a",null]}',
    "texts of lists": b'{"texts":[["a"]]}',
    "no texts": b'{"texts":[]}',
    "texts twice": b'{"texts":"a","texts":"b"}',
    "a capital": b'{"Texts":"a"}',
    "further members": b'{"more":[{"a":1e5}],"texts":"a good stay","x":null}',
}
_BROKEN = {
    "no body": b"",
    "white space": b" \n",
    "letters": b"texts=a",
    "half an object": b'{"texts":"a"',
    "half a string": b'{"texts":"a',
    "a comma too many": b'{"texts":"a",}',
    "single quotes": b"{'texts':'a'}",
    "a comment": b'{"texts":"a"} // b',
    "two objects": b'{"texts":"a"}{"texts":"b"}',
    "NaN": b'{"texts":NaN}',
    "a control character": b'{"texts":"a\x01b"}',
    "an unknown escape": b'{"texts":"\\x"}',
    "half an escape": b'{"texts":"\\u12"}',
    "a byte-order mark first": b"\xef\xbb\xbf" + SMALL,
    "a number beyond all": b'{"texts":"a","more":1e999}',
    "deep arrays": b"[" * _DEEP,
    "deep arrays as texts": b'{"texts":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    "deep objects in another member": b'{"texts":"a","more":' + b'{"a":' * _DEEP + b"1" + b"}" * _DEEP + b"}",
    "UTF-16": '{"texts":"良い"}'.encode("utf-16"),
    "Shift_JIS": '{"texts":"良い宿"}'.encode("cp932"),
    "a byte that is never UTF-8": b'{"texts":"a\xffb"}',
    "half a character": _START + "良".encode()[:2] + b'"}',
    "a character in too many bytes": _START + b'\xc0\xaf"}',
    "half a surrogate pair as UTF-8": _START + b'\xed\xa0\xbd"}',
    "bytes that are no UTF-8 in another member": b'{"texts":"a","more":"\xff"}',
}
_REFUSED = {
    "NUL": "良い\0宿",
    "NUL alone": "\0",
    "the first half of a pair": "良い\ud83d宿",
    "the second half of a pair": "\ude00良い",
    "a pair the wrong way round": "\ude00\ud83d",
    "too long": "良" * (_LONGEST + 1),
    "too long beyond 16 bits": "\U00020bb7" * (_LONGEST + 1),
    "too long and blank": " " * (_LONGEST + 1),
}
_DETAILS = {
    "true": b"true",
    "false": b"false",
    "null": b"null",
    "a string": b'"true"',
    "a number": b"1",
    "a list": b"[true]",
}


def _scored(path: str) -> list[Request]:
    return named(
        {
            "one text": post_json(path, {"texts": REVIEW}),
            "one text in escapes": post_json(path, {"texts": REVIEW}, escaped=True),
            "a list": post_json(path, {"texts": REVIEWS}),
            "a list of one": post_json(path, {"texts": [REVIEW]}),
            "one text with detail": post_json(path, {"texts": REVIEW, "detail": True}),
            "a list with detail": post_json(path, {"texts": REVIEWS, "detail": True}),
            "a list with a blank text": post_json(path, {"texts": [*REVIEWS, " ", "\0"]}),
            "a chunked body": post_chunks(path, SMALL[:7], SMALL[7:], fields=(JSON,)),
            "by a query": get(f"{path}?texts={quote(REVIEW)}"),
            "by a query with detail": get(f"{path}?texts={quote(REVIEW)}&detail=true"),
            "several by a query": get(f"{path}?" + "&".join(f"texts={quote(text)}" for text in REVIEWS)),
            "a body and a query": post(f"{path}?texts=b&detail=true", SMALL),
        },
        f"{path}: ",
    )


def _bodies(path: str) -> list[Request]:
    return named(
        {
            **{f"body of {name}": post(path, body, JSON) for name, body in (_SHAPES | _BROKEN).items()},
            **{f"blank, {name}": post_json(path, {"texts": text}) for name, text in BLANK.items()},
            **{f"refused, {name}": post_json(path, {"texts": text}, escaped=True) for name, text in _REFUSED.items()},
            **{
                f"refused in a list, {name}": post_json(path, {"texts": ["良い", text, ""]}, escaped=True)
                for name, text in _REFUSED.items()
            },
        },
        f"{path}: ",
    )


def scores() -> list[Request]:
    """Return requests for scores at both paths, by body and by query."""
    sent = {
        **{f"odd, {name}": post_json(SCORES, {"texts": text}) for name, text in ODD.items()},
        "all that is odd": post_json(SCORES, {"texts": list(ODD.values()), "detail": True}),
        **{
            f"detail of {name}": post(SCORES, b'{"texts":"a good stay","detail":' + value + b"}")
            for name, value in _DETAILS.items()
        },
        "the longest text": post_json(SCORES, {"texts": "良" * _LONGEST}),
        "the longest list": post_json(SCORES, {"texts": ["良い", "駄目"] * (_MOST_TEXTS // 2)}),
        "too long a list": post_json(SCORES, {"texts": ["良い"] * (_MOST_TEXTS + 1)}),
        "the longest body": post(SCORES, SMALL.ljust(_MOST_BYTES)),
        "too long a body": post(SCORES, SMALL.ljust(_MOST_BYTES + 1)),
        "too long a body in chunks": post_chunks(SCORES, *[SMALL.ljust(_MOST_BYTES // 2)] * 3),
        "a body of form fields": post(SCORES, b"texts=a", b"Content-Type: application/x-www-form-urlencoded"),
        "JSON as plain text": post(SCORES, SMALL, b"Content-Type: text/plain"),
        "JSON in another charset": post(SCORES, SMALL, b"Content-Type: application/json; charset=shift_jis"),
        "JSON that is said to be gzipped": post(SCORES, SMALL, b"Content-Encoding: gzip"),
        "a request id": post(SCORES, SMALL, b"X-Request-Id: mine-1"),
        "a request id that cannot be written": post(SCORES, SMALL, b"X-Request-Id: a b\xff"),
        "a request id too long": post(SCORES, SMALL, b"X-Request-Id: " + b"a" * 129),
        "HTML wanted": post(SCORES, SMALL, b"Accept: text/html"),
    }
    return [
        *(request for path in (SCORES, USERS) for request in _scored(path)),
        *_bodies(SCORES),
        *named({name: post(USERS, body) for name, body in _SHAPES.items()}, f"{USERS}: body of "),
        *named(sent, f"{SCORES}: "),
        *_queries(),
    ]


def _queries() -> list[Request]:
    queries = {
        "nothing": b"",
        "another name": b"text=a",
        "no value": b"texts",
        "an empty value": b"texts=",
        "a blank value": b"texts=+%20%E3%80%80",
        "a plus": b"texts=good+stay",
        "two, one of them empty": b"texts=a&texts=",
        "detail false": b"texts=a&detail=false",
        "detail in capitals": b"texts=a&detail=TRUE",
        "detail empty": b"texts=a&detail=",
        "detail twice": b"texts=a&detail=no&detail=true",
        "bytes that are no UTF-8": b"texts=%ff",
        "half a surrogate pair": b"texts=%ed%a0%80",
        "half an escape": b"texts=%e",
        "an escape of letters": b"texts=%zz",
        "NUL": b"texts=a%00b",
        "semicolons": b"texts=a;texts=b",
        "ampersands alone": b"&&&",
        "an equals sign within": b"texts=a=b",
        "an escaped name": b"%74exts=a",
        "a question mark within": b"texts=a?b",
        "a fragment": b"texts=a#b",
        "too long": b"texts=" + b"a" * (_LONGEST + 1),
        "too many": b"&".join([b"texts=a"] * (_MOST_TEXTS + 1)),
        "a thousand other names": b"texts=a" + b"&b=c" * 1_000,
    }
    return named({name: get(SCORES.encode() + b"?" + query) for name, query in queries.items()}, f"{SCORES}?: ")


def explanations() -> list[Request]:
    """Return requests for explanations."""
    sent = {
        "one text": post_json(EXPLAIN, {"texts": REVIEW}),
        **{f"review {number}": post_json(EXPLAIN, {"texts": text}) for number, text in enumerate(REVIEWS)},
        "a list": post_json(EXPLAIN, {"texts": REVIEWS}),
        "a list of one": post_json(EXPLAIN, {"texts": [REVIEW]}),
        **{f"odd, {name}": post_json(EXPLAIN, {"texts": text}) for name, text in ODD.items()},
        "the longest list": post_json(EXPLAIN, {"texts": ["良い"] * _MOST_EXPLAINED}),
        "too long a list": post_json(EXPLAIN, {"texts": ["良い"] * (_MOST_EXPLAINED + 1)}),
        "too long a body": post(EXPLAIN, SMALL.ljust(_MOST_BYTES + 1)),
        "detail": post_json(EXPLAIN, {"texts": REVIEW, "detail": True}),
        "by a query": get(f"{EXPLAIN}?texts=a"),
        "a chunked body": post_chunks(EXPLAIN, SMALL[:7], SMALL[7:]),
    }
    return [*named(sent, f"{EXPLAIN}: "), *_bodies(EXPLAIN)]


def feedback() -> list[Request]:
    """Return requests with feedback, for a service with or without a prediction log."""
    whole = {"id": PREDICTION, "stars": 4}
    values = {
        "stars": whole,
        "half a star": whole | {"stars": 3.5},
        "the id of a list's text": whole | {"id": f"{PREDICTION}.12"},
        "a text": whole | {"texts": REVIEW},
        "a text with personal data": whole | {"texts": "連絡先は a.b@example.invalid と 03-0000-0000 です"},
        "a text of null": whole | {"texts": None},
        "further members": whole | {"more": [1, 2]},
        "no id": {"stars": 4},
        "no stars": {"id": PREDICTION},
        "nothing": {},
        "a list": [whole],
        "the id of null": whole | {"id": None},
        "an id of another form": whole | {"id": "12"},
        "an id in capitals": whole | {"id": PREDICTION.upper()},
        "an id of another version": whole | {"id": PREDICTION.replace("-7", "-4")},
        "an id with a line end": whole | {"id": f"{PREDICTION}\n"},
        "an id with a long place": whole | {"id": f"{PREDICTION}.12345678"},
        "no stars at all": whole | {"stars": 0},
        "too many stars": whole | {"stars": 5.5},
        "stars as a string": whole | {"stars": "4"},
        "stars of null": whole | {"stars": None},
        "stars of true": whole | {"stars": True},
        "a list of texts": whole | {"texts": [REVIEW]},
        "a blank text": whole | {"texts": " "},
        "NUL in the text": whole | {"texts": "a\0b"},
        "half a surrogate pair in the text": whole | {"texts": "a\ud800"},
        "too long a text": whole | {"texts": "良" * (_LONGEST + 1)},
    }
    broken = {
        "half an object": b'{"id":',
        "no body": b"",
        "bytes that are no UTF-8": b'{"id":"\xff"}',
        "deep arrays": b"[" * _DEEP,
        "too long a body": b" " * (_MOST_BYTES + 1),
    }
    return [
        *named({name: post_json(FEEDBACK, value, escaped=True) for name, value in values.items()}, f"{FEEDBACK}: "),
        *named({name: post(FEEDBACK, body) for name, body in broken.items()}, f"{FEEDBACK}: body of "),
        *named({"by a query": get(f"{FEEDBACK}?id={PREDICTION}&stars=4")}, f"{FEEDBACK}: "),
    ]


def recorded() -> list[Request]:
    """Return requests to a service with a prediction log: feedback, predictions, and reads of the Redis streams."""
    asked = {
        "one": post(SCORES, SMALL, JSON),
        "one with detail": post_json(SCORES, {"texts": REVIEW, "detail": True}),
        "a list": post_json(USERS, {"texts": REVIEWS[:3]}),
        "by a query": get(f"{SCORES}?texts=a"),
        "refused": post_json(SCORES, {"texts": ["a", ""]}),
        "a file": post("/api/1/files", "id,texts\n1,良い宿\n2,\n3,駄目\n".encode(), b"Content-Type: text/csv"),
        "a tensor": post_json(
            "/v2/models/reviews/infer",
            {"inputs": [{"name": "texts", "shape": [2], "datatype": "BYTES", "data": ["良い", "駄目"]}]},
        ),
        "facts": get("/version"),
    }
    streams = [
        Request(name=f"the stream {name}", steps=(f"XRANGE {name} - +\r\nQUIT\r\n".encode(),), store=True)
        for name in ("predictions", "predictions:feedback")
    ]
    # Entries are written within a second; this request waits that long for its body.
    pause = Request(name="a pause", steps=(head("POST", SCORES, b"Content-Length: 5", CLOSE),))
    return [*named(asked, "recorded: "), *feedback(), pause, *streams]
