"""Documentation that runs: Swagger UI, out of the files of a package, over the service's own description."""

from pathlib import Path

import falcon.asgi
from swagger_ui_bundle import swagger_ui_path

from review_scorer.api.openapi.document import Description
from review_scorer.api.pages import PageFile, PageFiles, read_files, send

_FOLDER = Path(__file__).with_name("swagger")
_PACKAGED = ("swagger-ui.css", "swagger-ui-bundle.js")


class Docs:
    """The page on which every request can be tried."""

    def __init__(self, page: PageFile) -> None:
        self._page = page

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page."""
        send(self._page, request, response)

    on_head = on_get


def install(app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]) -> None:
    """Let ``app`` answer ``/openapi.json``, and ``/docs`` with the files that the page there asks for."""
    files = read_files([*_FOLDER.iterdir(), *(Path(swagger_ui_path) / name for name in _PACKAGED)])
    app.add_route("/openapi.json", Description())
    app.add_route("/docs", Docs(files.pop("index.html")))
    app.add_route("/docs/{name}", PageFiles(files))
