"""The entries of the prediction log, as they are written and read.

    predictions            id, time, score, bundle, and hash or text; shadow and shadow_bundle if there is a shadow
                           or id, time and dropped: so many predictions before this entry are missing
    predictions:feedback   id, time, stars, and text if one was sent

An entry may occur twice, because Redis can fail after it stored one and before it acknowledged it: the last entry of an
``id`` counts. ``time`` is ISO 8601 in UTC, ``bundle`` the first twelve digits of the digest in ``/version``.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import cache

from review_scorer.prediction_log.pii import mask
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, new_id, time_of
from review_scorer.scoring.text import normalise

Entry = Mapping[str, str]
"""Fields of an entry by name."""
Redaction = Callable[[str], Entry]
"""Returns the fields that are stored of a text."""

HASH, MASKED, FULL = "hash", "masked", "full"
BUNDLE_DIGITS = 12
# Half of SHA-256: the probability that two of 10⁹ texts share a hash is 10⁻²¹.
_HASH_DIGITS = 32


def feedback_stream(stream: str) -> str:
    """Return the name of the stream with the feedback on the predictions in ``stream``."""
    return f"{stream}:feedback"


def hash_text(key: bytes) -> Redaction:
    """Return a redaction that stores an HMAC-SHA-256 (RFC 2104) of the normalised text.

    A hash without a ``key`` could be reversed: short reviews can be guessed from a list of likely ones.
    """
    return lambda text: {"hash": hmac.digest(key, normalise(text).encode(), "sha256").hex()[:_HASH_DIGITS]}


def mask_text(text: str) -> Entry:
    """Store a text with e-mail addresses, telephone numbers and card numbers masked."""
    return {"text": mask(text)}


def full_text(text: str) -> Entry:
    """Store a text unchanged."""
    return {"text": text}


def prediction_redaction(mode: str, key: str | None) -> Redaction:
    """Return the redaction of predicted texts for ``mode``; without a ``key``, hashes use a random one."""
    hashed = hash_text(key.encode() if key else _random_key())
    return {HASH: hashed, MASKED: mask_text, FULL: full_text}[mode]


def feedback_redaction(mode: str) -> Redaction:
    """Return the redaction of feedback texts for ``mode``. They are sent to be stored, so a hash becomes a mask."""
    return full_text if mode == FULL else mask_text


def prediction_entry(prediction: LoggedPrediction, redact: Redaction, *, bundle: str, shadow_bundle: str = "") -> Entry:
    """Return the entry of ``prediction``; ``bundle`` and ``shadow_bundle`` are digests."""
    entry = {
        "id": prediction.id,
        "time": time_of(prediction.id),
        "score": repr(prediction.score),
        "bundle": bundle[:BUNDLE_DIGITS],
        **redact(prediction.text),
    }
    if prediction.shadow is not None:
        entry |= {"shadow": repr(prediction.shadow), "shadow_bundle": shadow_bundle[:BUNDLE_DIGITS]}
    return entry


def gap_entry(gap_id: str, dropped: int) -> Entry:
    """Return the entry that stands for ``dropped`` predictions."""
    return {"id": gap_id, "time": time_of(gap_id), "dropped": str(dropped)}


def feedback_entry(prediction_id: str, stars: float, text: str | None, redact: Redaction) -> Entry:
    """Return the entry of feedback that was received now."""
    entry = {"id": prediction_id, "time": time_of(new_id()), "stars": repr(stars)}
    return entry if text is None else {**entry, **redact(text)}


@cache
def _random_key() -> bytes:
    """Return a random key; the first call must come before the fork, so that all workers share it."""
    return secrets.token_bytes(32)
