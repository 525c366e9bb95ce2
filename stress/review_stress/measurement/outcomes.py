"""Outcomes of requests, and the classification of responses."""

import json

# The records of the senders hold the index of the outcome.
OUTCOMES = ("ok", "shed", "http_error", "invalid", "refused", "reset", "timeout")
OK, SHED, HTTP_ERROR, INVALID, REFUSED, RESET, TIMEOUT = range(len(OUTCOMES))
# Not outcomes: a request that was never sent, and one that was in flight at an interrupt.
UNSENT, ABANDONED = len(OUTCOMES), len(OUTCOMES) + 1

MEANINGS = {
    "ok": "200 with scores between 1 and 5",
    "shed": "503 with Retry-After",
    "http_error": "any other status",
    "invalid": "200 without the expected scores, or no HTTP response",
    "refused": "connection refused",
    "reset": "connection closed before the end of the response",
    "timeout": "no response in time",
}


def judge(status: int, content: bytes, *, retry_after: bool, batch: int) -> int:
    """Return the outcome of a response to a list of ``batch`` texts, or to a single text if it is 0."""
    if status == 503 and retry_after:
        return SHED
    if status != 200:
        return HTTP_ERROR
    try:
        answer = json.loads(content)
        scores = [answer["score"]] if not batch else answer["scores"]
    except (ValueError, TypeError, KeyError):
        return INVALID
    if not isinstance(scores, list) or len(scores) != (batch or 1):
        return INVALID
    return OK if all(type(score) in (int, float) and 1 <= score <= 5 for score in scores) else INVALID
