"""Strategies for malformed input: texts over all of Unicode, and bodies and requests with random edits."""

import json

from hypothesis import strategies as st

# All of Unicode, with a bias to lone surrogates, NUL, noncharacters and a character that normalises to eighteen others.
CHARACTERS = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from(
        "\0\ud800\udfff\ufdd0\uffff\U0010ffff\ufeff\u202e\u200d\u0301\u3099ﷺ㍿①Ａｱ゙🏳️\U0001f468\n\t ,、。良い宿"
    ),
)
TEXTS = st.text(CHARACTERS, max_size=40)
TEXT_OR_TEXTS = st.one_of(TEXTS, st.lists(TEXTS, max_size=4))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

_BITS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
]
_BITS += [
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"NaN",
    b'"texts"',
    b'"detail"',
    b"[" * 2_000,
    b"/*",
    b" ",
    b"\xe8\x89\xaf",
]

_LINES = [
    *(b"Content-Length: " + value for value in (b"18", b"0", b"-1", b"18,18", b"9" * 19, b"x", b"")),
    *(b"Transfer-Encoding: " + value for value in (b"chunked", b"gzip, chunked", b"identity", b"\x0bchunked")),
    *(b"Expect: " + value for value in (b"100-continue", b"tea")),
    *(b"Connection: " + value for value in (b"close", b"keep-alive", b"upgrade", b"x, upgrade")),
    *(b"Upgrade: " + value for value in (b"websocket", b"h2c")),
    b"Host: y", b" folded", b"X : y", b"X: \0", b"X: " + b"a" * 70_000, b"Origin: null", b"Authorization: Bearer \xff",
    b"X-Request-Id: \xff\xfe", b"Accept: text/html;q=\xff", b"If-None-Match: \xff",
]  # fmt: skip
_TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"%",
    b"%00",
    b"%ff",
    b"\xff",
    b"#",
    b"//",
    b"?texts=a",
    b"*",
]
_TOKENS += [
    b"0\r\n\r\n",
    b"12\r\n",
    b"ffffffffffffffff\r\n",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"GET ",
    b"CONNECT ",
    b"http://x",
]
_METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"PROPFIND", b"BREW", b""]
_PATHS = [b"/", b"/healthz", b"/readyz", b"/metrics", b"/version", b"/docs", b"/page/page.js", b"/api/1/scores", b"/x"]
_PATHS += [b"/api/1/explain", b"/api/1/users?texts=a&texts=%E8%89%AF", b"/openapi.json", b"*", b"http://x/healthz", b""]
_BODIES = [b'{"texts":"a good"}', b'12\r\n{"texts":"a good"}\r\n0\r\n\r\n', b"12;a\r\n", b"", b"\xff", b'{"texts":[]}']
_LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes], bits: list[bytes]) -> bytes:
    """Return bytes of ``whole`` with up to three random deletions or insertions."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.sampled_from([b"", *bits])) + data[start + draw(st.integers(0, 3)) :]
    return data


def _encoded(value: object, *, escaped: bool) -> bytes:
    return json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


_OBJECTS = st.builds(
    lambda texts, more: {"texts": texts, **more}, TEXT_OR_TEXTS, st.dictionaries(TEXTS, JSON, max_size=1)
)
_DETAILED = st.builds(lambda texts, detail: {"texts": texts, "detail": detail}, TEXT_OR_TEXTS, st.booleans() | JSON)
WHOLE = st.builds(lambda value, escaped: _encoded(value, escaped=escaped), _OBJECTS | _DETAILED | JSON, st.booleans())
BODIES = mutated(WHOLE, _BITS) | st.binary(max_size=60)
QUERIES = st.builds(b"&".join, st.lists(mutated(st.just(b"texts=%E8%89%AF&detail=true"), _TOKENS), max_size=3))


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.sampled_from(_LINES), max_size=3))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b""]))
    first = b" ".join([draw(st.sampled_from(_METHODS)), draw(st.sampled_from(_PATHS)), version])
    return b"\r\n".join([first, b"Host: x", *lines, b"", b""]) + draw(st.sampled_from(_BODIES))


# Each ends with a request that closes the connection, so that the test rarely waits for a timeout.
WIRE = st.builds(
    lambda requests: b"".join(requests) + _LAST, st.lists(mutated(_requests(), _TOKENS), min_size=1, max_size=2)
)
