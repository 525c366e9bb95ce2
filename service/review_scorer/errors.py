"""Every answer that is not a score, in one shape.

    {"error": {"code": "text_empty", "field": "texts[3]", "reason": "…"}}

``code`` is for programs and stays as it is, ``reason`` is for people and says what would be right, ``field`` is null
where no field is at fault. Under ``/v2`` it is the shape of the protocol that is spoken there:

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
    """A request that gets an error instead of a score."""

    def __init__(
        self, code: str, reason: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUS[self.code]

    @property
    def body(self) -> bytes:
        """The answer, as JSON."""
        return msgspec.json.encode({"error": {"code": self.code, "field": self.field, "reason": str(self)}})

    def body_for(self, path: str) -> bytes:
        """Return the answer to a request for ``path``, as JSON."""
        if not is_inference(path):
            return self.body
        return msgspec.json.encode({"error": f"{self.field}: {self}" if self.field else str(self)})


def is_inference(path: str) -> bool:
    """Whether the Open Inference Protocol is spoken at ``path``."""
    return path == "/v2" or path.startswith("/v2/")


def overloaded() -> RequestError:
    """Return the error for work that could not be done in time."""
    reason = "there is more to score than can be done in time; ask again in a second"
    return RequestError("overloaded", reason, headers={"Retry-After": "1"})


def internal() -> RequestError:
    """Return the error for a bug."""
    return RequestError("internal", "the service failed at this request; it is written in its log")
