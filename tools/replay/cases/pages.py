"""Requests for pages, API description, probes and metrics, and with wrong methods."""

from tools.replay.exchange import SMALL, TAG, Request, get, head, named, post

_PAGE = (
    *("api.js", "batch.js", "chart.js", "columns.js", "csv.js", "dom.js", "examples.js", "figures.js", "file.css"),
    *("file.js", "icon.svg", "index.html", "key.js", "language.js", "marks.js", "page.css", "page.js", "reasons.js"),
    *("results.js", "score.css", "score.js", "stars.js", "table.js", "tabs.js", "words.js"),
)
_DOCS = ("index.html", "start.js", "swagger-ui-bundle.js", "swagger-ui.css")
_FACTS = ("/healthz", "/readyz", "/version", "/openapi.json", "/metrics", "/docs", "/")
_PATHS = (
    *(*_FACTS, "/page/page.js", "/docs/start.js", "/api/1/users", "/api/1/scores", "/api/1/explain", "/api/1/files"),
    *("/api/1/feedback", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/reviews"),
    *("/v2/models/reviews/ready", "/v2/models/reviews/infer", "/nowhere", "/v2/nowhere"),
)
_NOWHERE = (
    *("/index.html", "/favicon.ico", "/robots.txt", "/api", "/api/", "/api/1", "/api/2/scores", "/api/1/scores/"),
    *("/API/1/scores", "/page", "/page/", "/page/nothing.js", "/page/..%2fapp.py", "/page/../app.py", "/page/a/b"),
    *("/page/%00", "/page/%ff", "/docs/", "/docs/../healthz", "/docs/index.html/", "//healthz", "/healthz/"),
    *("/healthz%20", "/%68ealthz", "/healthz;a=b", "/v1/models", "/\u3042".encode().decode("latin-1"), "/%E3%81%82"),
    *("/.git/config", "/a%0d%0aX-Made-Up:%20b", "/a%2fb", "/" + "a" * 5_000),
)
_ACCEPTED = {
    "nothing in particular": "*/*",
    "HTML": "text/html",
    "what browsers do": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "plain text": "text/plain",
    "HTML a little": "text/html;q=0.1",
    "HTML rather than plain text": "text/plain;q=0.5, text/html;q=0.6",
    "any text": "text/*",
    "no HTML": "text/html;q=0",
    "JSON": "application/json",
    "nonsense": ";;q=x",
    "an empty list": "",
}
_MADE_UP = 'If-None-Match: "0123"'


def pages() -> list[Request]:
    """Return requests for all resources that can be read."""
    read = {path: get(path) for path in _FACTS if path != "/metrics"}
    read |= {f"/page/{name}": get(f"/page/{name}") for name in _PAGE}
    read |= {f"/docs/{name}": get(f"/docs/{name}") for name in _DOCS}
    read |= {f"nowhere: {path[:60]}": get(path.encode("latin-1")) for path in _NOWHERE}
    read |= {f"/ for who likes {what}": get("/", f"Accept: {how}".encode()) for what, how in _ACCEPTED.items()}
    read |= {
        "/healthz with a query": get("/healthz?texts=a"),
        "/healthz with a body": post("/healthz", SMALL, method="GET"),
        "/version for who likes HTML": get("/version", b"Accept: text/html"),
        "/page/page.js with another tag": get("/page/page.js", _MADE_UP.encode()),
        "/page/page.js with any tag": get("/page/page.js", b"If-None-Match: *"),
        "/page/page.js from the middle": get("/page/page.js", b"Range: bytes=10-20"),
        "/page/page.js compressed": get("/page/page.js", b"Accept-Encoding: gzip, br"),
        "/page/page.js since": get("/page/page.js", b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
        "/ with bytes that are no text": get("/", b"Accept: \xff;;q=z", b"If-None-Match: \xff"),
        "/ with the tag of nothing": get("/", b"Accept: text/html", b"If-None-Match:"),
    }
    return [*named(read), *_again()]


def _again() -> list[Request]:
    """Return conditional requests."""
    html, tag = b"Accept: text/html", b"If-None-Match: "
    tags = {
        "the tag": tag + TAG,
        "the weak tag": tag + b"W/" + TAG,
        "several tags": tag + b'"0123", ' + TAG,
    }
    return [
        Request(name=f"{path} with {what}", steps=(head("GET", path, html), get(path, html, field)))
        for path in ("/", "/docs", "/page/page.js", "/docs/swagger-ui.css")
        for what, field in tags.items()
    ] + [Request(name="HEAD / with the tag", steps=(head("HEAD", "/", html), get("/", html, tag + TAG, method="HEAD")))]


def methods() -> list[Request]:
    """Return requests with wrong methods for all paths."""
    sent = {
        f"{method} {path}": get(path, method=method)
        for path in _PATHS
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE")
    }
    sent |= {f"POST {path}": post(path, SMALL) for path in (*_FACTS, "/page/page.js", "/v2", "/nowhere", "/v2/nowhere")}
    sent |= {f"GET {path}": get(path) for path in ("/api/1/explain", "/api/1/files", "/api/1/feedback")}
    sent |= {
        "OPTIONS *": get("*", method="OPTIONS"),
        "PROPFIND /": get("/", method="PROPFIND"),
        "QUERY /api/1/scores": post("/api/1/scores", SMALL, method="QUERY"),
        "PUT with a body": post("/api/1/scores", SMALL, method="PUT"),
        "HEAD /page/nothing.js": get("/page/nothing.js", method="HEAD"),
        "HEAD / for who likes HTML": get("/", b"Accept: text/html", method="HEAD"),
    }
    return named(sent)


def metrics() -> list[Request]:
    """Return requests for metrics."""
    accepted = {
        "no form": (),
        "plain text": (b"Accept: text/plain",),
        "OpenMetrics": (b"Accept: application/openmetrics-text; version=1.0.0",),
        "both": (b"Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.7",),
        "UTF-8 names": (b"Accept: text/plain;version=1.0.0;escaping=allow-utf-8",),
        "a name": (b"Accept: */*",),
        "gzip": (b"Accept-Encoding: gzip",),
    }
    return named({f"/metrics in {what}": get("/metrics", *fields) for what, fields in accepted.items()})
