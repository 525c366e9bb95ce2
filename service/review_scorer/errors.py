"""Errors that refuse a request: their codes, their HTTP statuses and their form as a response.

    {"error": {"code": "text_empty", "field": "texts[3]", "reason": "…"}}

``code`` is stable and meant for programs; ``reason`` is meant for people and says what would be right; ``field`` names
the member at fault, or is null. Under ``/v2`` the body has the form of the Open Inference Protocol:

    {"error": "texts[3]: …"}
"""

from collections.abc import Mapping

import msgspec

STATUS = {
    "body_incomplete": 400,
    "column_conflict": 400,
    "detail_type": 400,
    "encoding_invalid": 400,
    "file_csv": 400,
    "file_empty": 400,
    "file_encoding": 400,
    "file_gzip": 400,
    "form_invalid": 400,
    "http_invalid": 400,
    "id_invalid": 400,
    "json_invalid": 400,
    "query_invalid": 400,
    "stars_invalid": 400,
    "tensor_invalid": 400,
    "text_column_missing": 400,
    "text_empty": 400,
    "text_nul": 400,
    "text_surrogate": 400,
    "texts_empty": 400,
    "texts_missing": 400,
    "texts_type": 400,
    "utf8_invalid": 400,
    "unauthorized": 401,
    "not_found": 404,
    "prediction_log_disabled": 404,
    "method_not_allowed": 405,
    "body_timeout": 408,
    "body_too_large": 413,
    "file_too_large": 413,
    "row_too_long": 413,
    "text_too_long": 413,
    "texts_too_many": 413,
    "charset_unknown": 415,
    "file_type": 415,
    "rate_limited": 429,
    "pipeline_too_long": 429,
    "head_too_large": 431,
    "internal": 500,
    "draining": 503,
    "not_ready": 503,
    "overloaded": 503,
    "prediction_log_unavailable": 503,
}
"""The HTTP status of each code."""


class RequestError(Exception):
    """A request that is answered with an error; ``headers`` are added to the response."""

    def __init__(
        self, code: str, reason: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """Return the HTTP status of the response."""
        return STATUS[self.code]


def error_response(error: RequestError, path: str, *, close: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the response to a request for ``path``.

    ``close`` adds ``Connection: close``. Request id and security headers are added where the response is sent.
    """
    reason = str(error)
    message: object
    if is_inference(path):
        message = f"{error.field}: {reason}" if error.field else reason
    else:
        message = {"code": error.code, "field": error.field, "reason": reason}
    body = msgspec.json.encode({"error": message})
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    if close:
        headers["connection"] = "close"
    return error.status, headers, body


def is_inference(path: str) -> bool:
    """Return whether ``path`` belongs to the Open Inference Protocol."""
    return path == "/v2" or path.startswith("/v2/")


def overloaded() -> RequestError:
    """Return the error for work that cannot be done in time."""
    return RequestError("overloaded", "the service is overloaded; retry in 1 second", headers={"Retry-After": "1"})


def internal() -> RequestError:
    """Return the error for a bug."""
    return RequestError("internal", "internal error; see the service log")
