"""Falcon's error handlers: every exception that a resource raises becomes an error response in the usual form."""

import logging

import falcon
import falcon.asgi

from review_scorer.errors import RequestError, error_response, internal, is_inference
from review_scorer.scoring.errors import TextError
from review_scorer.tables.errors import FileError

log = logging.getLogger(__name__)


def install(app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]) -> None:
    """Add the error handlers to ``app``."""
    app.add_error_handler(Exception, _bug)
    app.add_error_handler(falcon.HTTPError, _http)
    app.add_error_handler(TextError, _text)
    app.add_error_handler(FileError, _file)
    app.add_error_handler(RequestError, _answer)


async def _answer(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: RequestError, _params: object
) -> None:
    response.status, headers, response.data = error_response(error, request.path)
    response.set_headers(headers)


async def _text(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: TextError, _params: object
) -> None:
    field = "texts" if error.index is None else f"texts[{error.index}]"
    await _answer(request, response, RequestError(error.code, str(error), field=field), _params)


async def _file(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: FileError, _params: object
) -> None:
    await _answer(request, response, RequestError(error.code, str(error)), _params)


async def _http(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: falcon.HTTPError, _params: object
) -> None:
    """Answer the errors that Falcon raises itself: an unknown path or method."""
    if isinstance(error, falcon.HTTPNotFound):
        scores = "/v2/models/reviews/infer" if is_inference(request.path) else "/api/1/scores"
        known = RequestError("not_found", f"no resource at {request.path}; scores are at {scores}")
    elif isinstance(error, falcon.HTTPMethodNotAllowed):
        allowed = (error.headers or {})["Allow"]  # type: ignore[index]
        reason = f"method {request.method} is not allowed for {request.path}; use {allowed}"
        known = RequestError("method_not_allowed", reason, headers={"Allow": allowed})
    else:
        await _bug(request, response, error, _params)
        return
    await _answer(request, response, known, _params)


async def _bug(request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, _params: object) -> None:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    await _answer(request, response, internal(), _params)
