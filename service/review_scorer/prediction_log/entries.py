"""What stands in the record: the fields of its entries, as they are written and as they are read.

    predictions            id, time, score, bundle, hash or text; shadow and shadow_bundle where there was one
                           or id and dropped: so many predictions before this were not recorded
    predictions:feedback   id, time, stars, and text where one was sent

An entry may be there twice, as Redis can fail between storing it and saying so: the last of an ``id`` counts. ``time``
is ISO 8601 in UTC, ``bundle`` the first twelve digits of the digest that ``/version`` tells.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import cache

from review_scorer.prediction_log.pii import mask
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, new_id, time_of
from review_scorer.scoring.text import normalise

Entry = Mapping[str, str]
Keep = Callable[[str], Entry]

HASH, MASKED, FULL = "hash", "masked", "full"
BUNDLE_DIGITS = 12
# Half of SHA-256: two of a billion texts share one with a probability of 10⁻²¹.
_HASH_DIGITS = 32


def feedback_stream(stream: str) -> str:
    """Return the name of the stream of the feedback on the predictions in ``stream``."""
    return f"{stream}:feedback"


def keep_hashed(key: bytes) -> Keep:
    """Return what keeps of a text only a hash (HMAC-SHA-256, RFC 2104), the same for all ways of typing it.

    A plain hash of a short review is as good as the review: whoever has a list of likely ones just tries them all.
    Under a ``key`` only those who have it can.
    """
    return lambda text: {"hash": hmac.digest(key, normalise(text).encode(), "sha256").hex()[:_HASH_DIGITS]}


def keep_masked(text: str) -> Entry:
    """Keep a text without e-mail addresses, telephone and card numbers."""
    return {"text": mask(text)}


def keep_full(text: str) -> Entry:
    """Keep a text as it was sent."""
    return {"text": text}


def keeping(how: str, key: str | None) -> Keep:
    """Return what keeps of a predicted text what ``how`` says; without a ``key``, one that this start drew."""
    hashed = keep_hashed(key.encode() if key else _key_of_this_start())
    return {HASH: hashed, MASKED: keep_masked, FULL: keep_full}[how]


def keeping_sent(how: str) -> Keep:
    """Return what keeps of a text that came with feedback: that was sent to be kept, so a hash is not what is meant."""
    return keep_full if how == FULL else keep_masked


def prediction_entry(prediction: LoggedPrediction, keep: Keep, *, bundle: str, shadow_bundle: str = "") -> Entry:
    """Return what is recorded of ``prediction``; ``bundle`` and ``shadow_bundle`` are digests."""
    entry = {
        "id": prediction.id,
        "time": time_of(prediction.id),
        "score": repr(prediction.score),
        "bundle": bundle[:BUNDLE_DIGITS],
        **keep(prediction.text),
    }
    if prediction.shadow is not None:
        entry |= {"shadow": repr(prediction.shadow), "shadow_bundle": shadow_bundle[:BUNDLE_DIGITS]}
    return entry


def gap_entry(identity: str, dropped: int) -> Entry:
    """Return what is recorded in the place of ``dropped`` predictions."""
    return {"id": identity, "time": time_of(identity), "dropped": str(dropped)}


def feedback_entry(identity: str, stars: float, text: str | None, keep: Keep) -> Entry:
    """Return what is recorded of feedback, with the time of now."""
    entry = {"id": identity, "time": time_of(new_id()), "stars": repr(stars)}
    return entry if text is None else {**entry, **keep(text)}


@cache
def _key_of_this_start() -> bytes:
    """Return a random key; the first call must come before the fork, so that all workers have the same."""
    return secrets.token_bytes(32)
