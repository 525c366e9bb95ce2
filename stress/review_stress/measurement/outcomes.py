"""What can become of a request, and how an answer is judged."""

import json

# In the order in which the sender's records number them.
OUTCOMES = ("ok", "shed", "status", "wrong", "refused", "reset", "timeout")
OK, SHED, STATUS, WRONG, REFUSED, RESET, TIMEOUT = range(len(OUTCOMES))
# Not outcomes: a request that was never sent, and one that an interruption cut off before its answer.
UNSENT, ABANDONED = len(OUTCOMES), len(OUTCOMES) + 1

MEANINGS = {
    "ok": "200 with scores between 1 and 5",
    "shed": "503 with Retry-After: turned away in good order",
    "status": "any other status",
    "wrong": "200 without the scores that were asked for, or no HTTP at all",
    "refused": "no connection",
    "reset": "the connection ended before the answer did",
    "timeout": "no answer in time",
}


def judge(status: int, content: bytes, *, retry_after: bool, batch: int) -> int:
    """Return the outcome of an answer to ``batch`` texts, or to a single one when it is 0."""
    if status == 503 and retry_after:
        return SHED
    if status != 200:
        return STATUS
    try:
        answer = json.loads(content)
        scores = [answer["score"]] if not batch else answer["scores"]
    except (ValueError, TypeError, KeyError):
        return WRONG
    if not isinstance(scores, list) or len(scores) != (batch or 1):
        return WRONG
    return OK if all(type(score) in (int, float) and 1 <= score <= 5 for score in scores) else WRONG
