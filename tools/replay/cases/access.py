"""Requests with and without API keys, and cross-origin requests."""

import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from tools.replay.cases.files import CSV, FILES, TABLE
from tools.replay.cases.scores import EXPLAIN, FEEDBACK, SCORES, USERS
from tools.replay.exchange import CLOSE, REVIEW, SMALL, Request, get, head, named, post, post_chunks, post_json

KEYS = {
    "anna": ("wisteria", ""),
    "bruno": ("hollyhock", "1000000"),
    **{f"slow{number}": (f"tortoise-{number}", "0.001") for number in range(7)},
}
"""The API keys by name: secret and requests per second (empty: unlimited)."""

ORIGINS = ("https://shop.invalid", "http://127.0.0.1:8080")

_PATHS = (SCORES, USERS, EXPLAIN, FILES, FEEDBACK, "/version", "/metrics", "/healthz", "/readyz", "/", "/openapi.json")
_MORE_PATHS = ("/docs", "/docs/start.js", "/page/page.js", "/page", "/nowhere", "/v2", "/v2/health/live", "/v2/x")
_MODEL_PATHS = ("/v2/health/ready", "/v2/models/reviews", "/v2/models/reviews/ready", "/v2/models/reviews/infer")


def keys_file() -> str:
    """Return the contents of the file of API keys."""
    digests = {name: hashlib.sha256(secret.encode()).hexdigest() for name, (secret, _) in KEYS.items()}
    return "".join(f"{name}:{digests[name]}{rate and f':{rate}'}\n" for name, (_, rate) in KEYS.items())


def bearer(secret: str, scheme: str = "Bearer") -> bytes:
    """Return the ``Authorization`` header of an API key."""
    return f"Authorization: {scheme} {secret}".encode()


def guarded() -> list[Request]:
    """Return requests to a service that requires an API key."""
    secret, _ = KEYS["anna"]
    paths = (*_PATHS, *_MORE_PATHS, *_MODEL_PATHS)
    sent = {
        **{f"GET {path} without a key": get(path) for path in paths},
        **{f"GET {path} with a key": get(path, bearer(secret)) for path in paths},
        **{f"POST {path} without a key": post(path, SMALL) for path in paths},
        "a score with a key": post(SCORES, SMALL, bearer(secret)),
        "a score with a key of a high rate": post(SCORES, SMALL, bearer(KEYS["bruno"][0])),
        "a score by a query with a key": get(f"{SCORES}?texts={quote(REVIEW)}", bearer(secret)),
        "a list with a key": post_json(SCORES, {"texts": [REVIEW]}, bearer(secret)),
        "a file with a key": post(FILES, TABLE, CSV, bearer(secret)),
        "a wrong body with a key": post(SCORES, b"{}", bearer(secret)),
        "a wrong body without a key": post(SCORES, b"{}"),
        "HEAD without a key": get("/version", method="HEAD"),
        "OPTIONS without a key": get(SCORES, method="OPTIONS"),
        "a large body without a key": post(SCORES, SMALL.ljust(300_000)),
        "a chunked body without a key": post_chunks(SCORES, SMALL),
        "a large file without a key": post(FILES, TABLE.ljust(300_000), CSV),
        "a body that waits without a key": head(
            "POST", SCORES, b"Expect: 100-continue", b"Content-Length: 99999", CLOSE
        ),
        **{f"a score with {what}": post(SCORES, SMALL, *fields) for what, fields in _odd(secret).items()},
        "a page of another origin": get("/version", b"Origin: https://shop.invalid"),
    }
    return [*named(sent), *_slow()]


def _odd(secret: str) -> dict[str, tuple[bytes, ...]]:
    return {
        "an unknown key": (bearer("nobody"),),
        "half a key": (bearer(secret[:-1]),),
        "more than a key": (bearer(f"{secret}x"),),
        "a key in capitals": (bearer(secret.upper()),),
        "an empty key": (bearer(""),),
        "no scheme": (b"Authorization: " + secret.encode(),),
        "a scheme alone": (b"Authorization: Bearer",),
        "an empty header": (b"Authorization:",),
        "a scheme in small letters": (bearer(secret, "bearer"),),
        "a scheme in capitals": (bearer(secret, "BEARER"),),
        "another scheme": (bearer(secret, "Basic"),),
        "spaces around": (b"Authorization:   Bearer   " + secret.encode() + b"  ",),
        "a tab between": (b"Authorization: Bearer\t" + secret.encode(),),
        "bytes that are no text": (b"Authorization: Bearer \xff\xfe",),
        "two keys, the right one last": (bearer("nobody"), bearer(secret)),
        "two keys, the right one first": (bearer(secret), bearer("nobody")),
        "a key in another header": (b"X-Api-Key: " + secret.encode(),),
        "the name in the place of the secret": (bearer("anna"),),
    }


def _slow() -> list[Request]:
    """Return pairs of requests of which the second exceeds the rate limit."""
    often = {
        "a score": post(SCORES, SMALL, last=False),
        "a list": post(SCORES, b'{"texts":["a"]}', last=False),
        "a fact": head("GET", "/version"),
        "a file": post(FILES, TABLE, CSV, last=False),
        "a model": head("GET", "/v2/models/reviews"),
        "an open path": head("GET", "/healthz"),
        "a wrong body": post(SCORES, b"{}", last=False),
    }
    keys = [bearer(KEYS[f"slow{number}"][0]) for number in range(len(often))]
    marked = [sent.replace(b"Host: x", b"Host: x\r\n" + key) for sent, key in zip(often.values(), keys, strict=True)]
    return [
        Request(name=f"{what} too often", steps=(sent, sent.replace(b"Host: x", b"Host: x\r\n" + CLOSE)))
        for what, sent in zip(often, marked, strict=True)
    ]


def opened() -> list[Request]:
    """Return requests to a service with public paths ``/version``, ``/api/1/s*`` and the probes."""
    paths = ("/version", "/versions", SCORES, USERS, "/healthz", "/readyz", "/", "/page/page.js", "/v2/health/live")
    return named(
        {
            **{f"GET {path}": get(path) for path in paths},
            "a score of an open path": post(SCORES, SMALL),
            "a score of another path": post(USERS, SMALL),
        }
    )


def crossing(*, keys: bool) -> list[Request]:
    """Return cross-origin requests to a service that allows ``ORIGINS``, with API keys or without."""
    shop = f"Origin: {ORIGINS[0]}".encode()
    stranger = b"Origin: https://evil.invalid"
    key = (bearer(KEYS["anna"][0]),) if keys else ()
    asked = (b"Access-Control-Request-Method: POST",)
    more = (*asked, b"Access-Control-Request-Headers: content-type,authorization")
    preflights: dict[str, Sequence[bytes]] = {
        "a preflight": (shop, *asked),
        "a preflight with headers": (shop, *more),
        "a preflight of the second origin": (f"Origin: {ORIGINS[1]}".encode(), *more),
        "a preflight of a stranger": (stranger, *more),
        "a preflight of nobody": (b"Origin: null", *more),
        "a preflight without an origin": asked,
        "a preflight for PUT": (shop, b"Access-Control-Request-Method: PUT"),
        "a preflight of a private network": (shop, *asked, b"Access-Control-Request-Private-Network: true"),
        "OPTIONS with an origin": (shop,),
        "an origin in capitals": (shop.upper(), *asked),
        "an origin with a path": (shop + b"/", *asked),
        "two origins": (shop, stranger, *asked),
    }
    sent = {
        f"{what} at {path}": get(path, *fields, method="OPTIONS")
        for path in (SCORES, FILES, "/v2/models/reviews/infer", "/nowhere")
        for what, fields in preflights.items()
    }
    for who, origin in {"the shop": (shop,), "a stranger": (stranger,), "no origin": ()}.items():
        sent |= {
            f"{who}: a score": post(SCORES, SMALL, *origin, *key),
            f"{who}: a list": post_json(SCORES, {"texts": [REVIEW]}, *origin, *key),
            f"{who}: no score": post(SCORES, b"{}", *origin, *key),
            f"{who}: a file": post(FILES, TABLE, CSV, *origin, *key),
            f"{who}: no file": post(FILES, b"", CSV, *origin, *key),
            f"{who}: too long a body": post(SCORES, SMALL.ljust(1_100_000), *origin, *key),
            f"{who}: a page": get("/", b"Accept: text/html", *origin),
            f"{who}: a script": get("/page/icon.svg", *origin),
            f"{who}: a fact": get("/version", *origin, *key),
            f"{who}: no key": get("/version", *origin),
            f"{who}: nowhere": get("/nowhere", *origin, *key),
            f"{who}: a tensor of nothing": post("/v2/models/reviews/infer", b"{}", *origin, *key),
            f"{who}: no HTTP": post(SCORES, SMALL, *origin, b"Host: y"),
        }
    return named(sent)
