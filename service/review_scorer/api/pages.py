"""The page for people, out of files of this package that are read once."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import falcon
import falcon.asgi

GREETING = 'Posts in a Japanese review, gets back its stars: POST {"texts": "…"} to /api/1/scores\n'

_FOLDER = Path(__file__).with_name("page")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The page asks this service and nobody else, and nobody may put it into a frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # Asked for anew each time, mostly answered 304: after a rollout no old script meets a new page.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
}


class PageFile(NamedTuple):
    """One file as it is sent; ``etag`` is the digest of its bytes."""

    body: bytes
    content_type: str
    etag: str


def read_files(paths: Iterable[Path]) -> dict[str, PageFile]:
    """Return by name those of the files that a page can be made of."""
    files = {}
    for path in paths:
        if content_type := _TYPES.get(path.suffix):
            body = path.read_bytes()
            files[path.name] = PageFile(body, content_type, hashlib.sha256(body).hexdigest()[:32])
    return files


class Home:
    """The page for those who read HTML, a line of plain text for all others."""

    def __init__(self, page: PageFile) -> None:
        self._page = page

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page where the client asks for HTML by name, else the greeting."""
        response.set_header("Vary", "Accept")
        # Of two that the client likes equally, as curl does, the first is taken.
        if request.client_prefers((falcon.MEDIA_TEXT, falcon.MEDIA_HTML)) == falcon.MEDIA_HTML:
            send(self._page, request, response)
        else:
            response.text = GREETING
            response.content_type = falcon.MEDIA_TEXT

    on_head = on_get


class PageFiles:
    """The page's scripts, styles and icon, by name."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response, name: str) -> None:
        """Answer the file ``name``, 304 where the client has it already, or 404."""
        if name not in self._files:
            raise falcon.HTTPNotFound
        send(self._files[name], request, response)

    on_head = on_get


def install(app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]) -> None:
    """Let ``app`` answer ``/`` and the files that the page there asks for."""
    files = read_files(_FOLDER.iterdir())
    app.add_route("/", Home(files.pop("index.html")))
    app.add_route("/page/{name}", PageFiles(files))


def send(file: PageFile, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
    """Answer ``file``, or 304 where the client has it already."""
    response.set_headers(_HEADERS)
    response.etag = file.etag
    if file.etag in (request.if_none_match or ()):
        response.status = falcon.HTTP_304
        return
    response.data = file.body
    response.content_type = file.content_type
