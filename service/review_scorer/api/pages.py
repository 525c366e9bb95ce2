"""Web page, Swagger UI and OpenAPI document.

The files are read once at startup and served from memory. Falcon's ``add_static_route`` is not used: it opens the file
at each request, derives the ETag from the modification time, which differs between images with the same files, and
sets neither ``Cache-Control`` nor ``Content-Security-Policy``.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import falcon
import falcon.asgi
from swagger_ui_bundle import swagger_ui_path

from review_scorer.api.fixed_json import FixedJSON
from review_scorer.api.openapi.document import openapi_document

GREETING = 'Scores Japanese reviews, 1 to 5 stars: POST {"texts": "…"} to /api/1/scores\n'

_PAGE = Path(__file__).with_name("page")
_SWAGGER = Path(__file__).with_name("swagger")
_SWAGGER_BUNDLE = ("swagger-ui.css", "swagger-ui-bundle.js")
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The page loads from and sends to this service only, and cannot be framed.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # Browsers revalidate each time and mostly get 304, so a new page never runs an old script after a rollout.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
}


class StaticFile(NamedTuple):
    """File in memory; ``etag`` is a digest of ``body``."""

    body: bytes
    content_type: str
    etag: str


class Page:
    """One HTML page. With ``plain_text``, clients that do not prefer HTML get that text instead."""

    def __init__(self, file: StaticFile, plain_text: str | None = None) -> None:
        self._file = file
        self._plain_text = plain_text

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page, 304 if the client has it, or the plain text."""
        if self._plain_text is not None:
            response.set_header("Vary", "Accept")
            # On a tie, as with curl's */*, client_prefers returns the first type.
            if request.client_prefers((falcon.MEDIA_TEXT, falcon.MEDIA_HTML)) != falcon.MEDIA_HTML:
                response.text = self._plain_text
                response.content_type = falcon.MEDIA_TEXT
                return
        _send(self._file, request, response)

    on_head = on_get


class StaticFiles:
    """Scripts, styles and icons of a page, by file name."""

    def __init__(self, files: Mapping[str, StaticFile]) -> None:
        self._files = files

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response, name: str) -> None:
        """Answer the file ``name``, 304 if the client has it, or 404."""
        if name not in self._files:
            raise falcon.HTTPNotFound
        _send(self._files[name], request, response)

    on_head = on_get


def install(app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]) -> None:
    """Add the page at ``/``, Swagger UI at ``/docs``, their files and ``/openapi.json`` to ``app``."""
    page = _read(_PAGE.iterdir())
    app.add_route("/", Page(page.pop("index.html"), plain_text=GREETING))
    app.add_route("/page/{name}", StaticFiles(page))
    swagger = _read([*_SWAGGER.iterdir(), *(Path(swagger_ui_path) / name for name in _SWAGGER_BUNDLE)])
    app.add_route("/docs", Page(swagger.pop("index.html")))
    app.add_route("/docs/{name}", StaticFiles(swagger))
    app.add_route("/openapi.json", FixedJSON(openapi_document()))


def _read(paths: Iterable[Path]) -> dict[str, StaticFile]:
    """Return the files of the known content types, by name."""
    files = {}
    for path in paths:
        if content_type := _CONTENT_TYPES.get(path.suffix):
            body = path.read_bytes()
            files[path.name] = StaticFile(body, content_type, hashlib.sha256(body).hexdigest()[:32])
    return files


def _send(file: StaticFile, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
    response.set_headers(_HEADERS)
    response.etag = file.etag
    if file.etag in (request.if_none_match or ()):
        response.status = falcon.HTTP_304
        return
    response.data = file.body
    response.content_type = file.content_type
