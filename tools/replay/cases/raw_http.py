"""Malformed requests, and valid but unusual ones."""

from tools.replay.cases.scores import SCORES
from tools.replay.exchange import CLOSE, SMALL, Request, chunks, get, head, named, post

_NEXT = get("/version")
_SIZE = b"%d" % len(SMALL)
_LENGTH = b"Content-Length: " + _SIZE
_CODED = b"Transfer-Encoding: "


def _sized(length: bytes, *more: bytes) -> bytes:
    return head("POST", SCORES, b"Content-Length: " + length, *more) + SMALL + _NEXT


def _chunked(body: bytes) -> bytes:
    return head("POST", SCORES, _CODED + b"chunked") + body + _NEXT


def _coded(*codings: bytes, version: bytes = b"1.1") -> bytes:
    fields = [_CODED + coding for coding in codings]
    return head("POST", SCORES, *fields, version=version) + chunks(SMALL) + _NEXT


def _plain(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET /healthz HTTP/1.1", b"Host: x", *lines, b"", b""]) + _NEXT


def malformed() -> list[Request]:
    """Return ambiguous and invalid requests, each followed by another one."""
    chunk = b"%x\r\n%b\r\n" % (len(SMALL), SMALL)
    sent = {
        **{f"length {length!r}": _sized(length.encode("latin-1")) for length in _lengths()},
        "the same length twice": _sized(_SIZE, _LENGTH),
        "two lengths": _sized(_SIZE, b"Content-Length: 5"),
        "a length and chunks": head("POST", SCORES, b"Content-Length: 5", _CODED + b"chunked") + chunks(SMALL) + _NEXT,
        "chunks and a length": head("POST", SCORES, _CODED + b"chunked", b"Content-Length: 5") + chunks(SMALL) + _NEXT,
        **{f"coding {' and '.join(each)!r}": _coded(*[coding.encode() for coding in each]) for each in _codings()},
        "chunks of HTTP/1.0": _coded(b"chunked", version=b"1.0"),
        "chunks on a folded line": head("POST", SCORES, _CODED, b" chunked") + chunks(SMALL) + _NEXT,
        "a chunk's size of letters": _chunked(b"xyz\r\na\r\n0\r\n\r\n"),
        "a chunk's size below nought": _chunked(b"-1\r\na\r\n0\r\n\r\n"),
        "a chunk's size with a sign": _chunked(b"+1\r\na\r\n0\r\n\r\n"),
        "a chunk's size with a prefix": _chunked(b"0x1\r\na\r\n0\r\n\r\n"),
        "a chunk's size of too many digits": _chunked(b"f" * 17 + b"\r\na\r\n0\r\n\r\n"),
        "a chunk's size of many noughts": _chunked(b"0" * 30 + chunks(SMALL)),
        "no chunk's size": _chunked(b"\r\na\r\n0\r\n\r\n"),
        "a space after a chunk's size": _chunked(chunk.replace(b"\r\n", b" \r\n", 1) + b"0\r\n\r\n"),
        "a chunk that is longer than it says": _chunked(b"1\r\nab\r\n0\r\n\r\n"),
        "chunks with bare line feeds": _chunked(chunks(SMALL).replace(b"\r\n", b"\n")),
        "an extension with a bare line feed": _chunked(b"%x;a\n%b\r\n0\r\n\r\n" % (len(SMALL), SMALL)),
        "a length among the trailers": _chunked(chunk + b"0\r\nContent-Length: 3\r\n\r\n"),
        "a coding among the trailers": _chunked(chunk + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "a space before a colon": _sized(_SIZE).replace(b"Content-Length:", b"Content-Length :"),
        "a tab before a colon": _sized(_SIZE).replace(b"Content-Length:", b"Content-Length\t:"),
        "a body without a length": head("POST", SCORES) + SMALL + _NEXT,
        "bare line feeds": head("GET", "/healthz").replace(b"\r\n", b"\n") + _NEXT,
        "bare carriage returns": head("GET", "/healthz").replace(b"\r\n", b"\r") + _NEXT,
        "NUL in a header": _plain(b"X-A: a\0b"),
        "NUL in a header's name": _plain(b"X\0A: b"),
        "a control character in a header": _plain(b"X-A: \x01"),
        "a folded header": _plain(b"X-A: a", b"\tb"),
        "a folded first header": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n" + _NEXT,
        "a header without a colon": _plain(b"nonsense"),
        "a header without a name": _plain(b": a"),
        "a header's name with a space": _plain(b"X A: b"),
        "a header's name in Japanese": _plain("店: b".encode()),
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n" + _NEXT,
        "two hosts": _plain(b"Host: y"),
        "the same host twice": _plain(b"Host: x"),
        **{f"the target {target!r}": get(target.encode("latin-1")) + _NEXT for target in _targets()},
        **{f"the version {version!r}": _versioned(version.encode()) + _NEXT for version in _versions()},
        "HTTP/0.9": b"GET /healthz\r\n\r\n" + _NEXT,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(160),
        "SSH": b"SSH-2.0-OpenSSH_9.0\r\n",
        "noughts": bytes(300),
        "letters": b"good stay\r\n\r\n",
        "an answer": b"HTTP/1.1 200 OK\r\n\r\n",
        "the method BREW": head("BREW", "/healthz") + _NEXT,
        "a method in small letters": head("get", "/healthz") + _NEXT,
        "two spaces in the line": b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + _NEXT,
        "a space at the end of the line": b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n" + _NEXT,
        "CONNECT to a host": head("CONNECT", "x:443") + _NEXT,
        "CONNECT to a path": head("CONNECT", "/healthz") + _NEXT,
        "after two that are right": head("GET", "/healthz") + post(SCORES, SMALL, last=False) + _plain(b"Host: y"),
    }
    return [*named(sent, "malformed: "), *_endless()]


def _lengths() -> tuple[str, ...]:
    odd = (
        "",
        "x",
        "-1",
        "+9",
        "0x10",
        "1 0",
        "1_0",
        "1.0",
        "1e1",
        "9, 9",
        "9;a",
        '"9"',
        "\xb9",
        "\x0b9",
        "99999999999999999999",
    )
    return (*odd, "9223372036854775807", "18446744073709551615", "0" * 25 + "9", "0" * 21)


def _codings() -> tuple[tuple[str, ...], ...]:
    single = (
        *("", "gzip", "identity", "xchunked", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked;a=b"),
        *('"chunked"', "\x0bchunked", "chunked,", ",chunked", "chunked\0"),
    )
    return (*[(each,) for each in single], ("identity", "chunked"), ("chunked", "identity"), ("chunked", "chunked"))


def _targets() -> tuple[str, ...]:
    return (
        "",
        "healthz",
        "?texts=a",
        "/a b",
        "/\0",
        "/\x7f",
        "/\xe9",
        "http://",
        "http://x:999999/healthz",
        "x:80",
        "/#a",
    )


def _versions() -> tuple[str, ...]:
    return (
        "HTTP/1.2",
        "HTTP/1.10",
        "HTTP/2.0",
        "HTTP/0.9",
        "HTTP/11",
        "HTTP/1",
        "http/1.1",
        "HTTPS/1.1",
        "ICE/1.0",
        "",
    )


def _versioned(version: bytes) -> bytes:
    return b"GET /healthz %b\r\nHost: x\r\n\r\n" % version


def _endless() -> list[Request]:
    """Return requests with endless or very long heads."""
    top = head("GET", "/healthz", b"X-A: ")[:-4]
    chunked = head("POST", SCORES, _CODED + b"chunked")
    sent = {
        "a header": _plain(b"X-A: " + b"a" * 100_000),
        "a header's name": _plain(b"a" * 100_000 + b": b"),
        "a header without an end": top + b"a" * 100_000,
        "headers": _plain(*[b"X-%d: a" % number for number in range(2_000)]),
        "a hundred headers and one": _plain(*[b"X-%d: a" % number for number in range(100)]),
        "a hundred headers": _plain(*[b"X-%d: a" % number for number in range(98)]),
        "a target": get("/" + "a" * 100_000),
        "a query": get(f"{SCORES}?texts=" + "a" * 100_000),
        "the largest head": _plain(b"X-A: " + b"a" * 65_000),
        "a chunk's extension": chunked + b"5;" + b"a" * 1_000_000,
        "trailers": chunked + chunks(SMALL)[:-2] + b"X-A: b\r\n" * 125_000,
        "empty lines": b"\r\n" * 50_000,
        "some empty lines": b"\r\n" * 20_000 + _NEXT,
    }
    return named(sent, "endless: ")


def unusual() -> list[Request]:
    """Return valid requests that few clients send."""
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA")
    socket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: AAAA", b"Sec-WebSocket-Version: 13")
    old = head("POST", SCORES, _LENGTH, version=b"1.0") + SMALL
    sent = {
        "HTTP/1.0": old,
        "HTTP/1.0 without a host": b"GET /healthz HTTP/1.0\r\n\r\n",
        "HTTP/1.0 with two hosts": head("GET", "/healthz", b"Host: y", version=b"1.0"),
        "HTTP/1.0 that stays": head("GET", "/healthz", b"Connection: keep-alive", version=b"1.0") + _NEXT,
        "HTTP/1.0 for a page": head("GET", "/page/icon.svg", version=b"1.0"),
        "HTTP/1.0 that waits": head("POST", SCORES, _LENGTH, b"Expect: 100-continue", version=b"1.0") + SMALL,
        "a whole address": get("http://x/healthz"),
        "a whole address of a score": post("http://y/api/1/scores", SMALL),
        "empty lines before it": b"\r\n\r\n" + _NEXT,
        "an empty host": b"GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "a host with a port": b"GET /healthz HTTP/1.1\r\nHost: x:80\r\nConnection: close\r\n\r\n",
        "nonsense as the host": b"GET /healthz HTTP/1.1\r\nHost: a b/c?d@e\r\nConnection: close\r\n\r\n",
        "a body where none is wanted": head("GET", "/healthz", _LENGTH) + SMALL + _NEXT,
        "a length of nought": head("POST", SCORES, b"Content-Length: 0", CLOSE),
        "a length with a nought before it": head("POST", SCORES, b"Content-Length: 0" + _SIZE, CLOSE) + SMALL,
        "chunks in capitals": head("POST", SCORES, _CODED + b"CHUNKED", CLOSE) + chunks(SMALL),
        "chunks of single bytes": head("POST", SCORES, _CODED + b"chunked", CLOSE)
        + chunks(*[SMALL[at : at + 1] for at in range(len(SMALL))]),
        "chunks with extensions": head("POST", SCORES, _CODED + b"chunked", CLOSE)
        + chunks(SMALL).replace(b"\r\n", b';a="b"\r\n', 1),
        "trailers": head("POST", SCORES, _CODED + b"chunked")
        + chunks(SMALL)[:-2]
        + b"X-Request-Id: forged\r\nOrigin: forged\r\n\r\n"
        + _NEXT,
        "an expectation of tea": head("POST", SCORES, _LENGTH, b"Expect: tea", CLOSE) + SMALL,
        "an expectation that is not waited for": head("POST", SCORES, _LENGTH, b"Expect: 100-continue", CLOSE) + SMALL,
        "what follows the last one": get("/healthz") + _NEXT,
        "an upgrade": head("GET", "/healthz", *upgrade) + _NEXT,
        "an upgrade with a body": head("POST", SCORES, *upgrade, _LENGTH) + SMALL + _NEXT,
        "an upgrade with chunks": head("POST", SCORES, *upgrade, _CODED + b"chunked") + chunks(SMALL) + _NEXT,
        "a web socket": head("GET", "/", *socket) + _NEXT,
        "an upgrade without its connection": head("GET", "/healthz", b"Upgrade: h2c") + _NEXT,
        "a keep-alive with conditions": head("GET", "/healthz", b"Connection: keep-alive", b"Keep-Alive: timeout=1")
        + _NEXT,
        "nonsense as the connection": head("GET", "/healthz", b"Connection: x, y") + _NEXT,
        "an old proxy": get(
            "/healthz", b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: https", b"Forwarded: for=x"
        ),
        "a trace": get("/healthz", b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        "another method by a header": post(SCORES, SMALL, b"X-HTTP-Method-Override: DELETE"),
    }
    return [*named(sent, "unusual: "), *_several()]


def _several() -> list[Request]:
    """Return several requests on one connection, sequential and pipelined."""
    score, wrong = post(SCORES, SMALL, last=False), post(SCORES, b"{}", last=False)
    numbered = [head("GET", f"/nowhere/{number}") for number in range(20)]
    waiting = head("POST", SCORES, _LENGTH, b"Expect: 100-continue")
    return [
        Request(name="one by one: scores", steps=(score, score, post(SCORES, SMALL))),
        Request(name="one by one: of all kinds", steps=(score, wrong, numbered[0], head("GET", "/"), score, _NEXT)),
        Request(name="one by one: a body that waits", steps=(waiting, SMALL + _NEXT)),
        Request(name="one by one: after what is malformed", steps=(score, _plain(b"Host: y"))),
        *named(
            {
                "scores": score * 10 + _NEXT,
                "of all kinds": b"".join([each + score + wrong for each in numbered]) + _NEXT,
                "with chunks between": (head("POST", SCORES, _CODED + b"chunked") + chunks(SMALL)) * 3 + _NEXT,
                "more than may wait": score * 300,
                "with one that closes": score + post(SCORES, SMALL) + score,
                "with empty lines between": score + b"\r\n" + score + b"\r\n\r\n" + _NEXT,
                "facts": head("GET", "/healthz") * 50 + _NEXT,
            },
            "all at once: ",
        ),
    ]
