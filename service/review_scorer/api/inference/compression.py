"""Compressed request bodies, which clients of the protocol may send."""

import zlib

from review_scorer.errors import RequestError

# zlib's names for the two: 16 more than the largest window is gzip's frame.
_FRAMES = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


def inflate(body: bytes, encoding: str | None, *, most: int) -> bytes:
    """Return the body as it was before its ``Content-Encoding``.

    Raises a ``RequestError`` for an encoding that is not known, for one that the body does not have, and for more than
    ``most`` bytes: no more than these are ever made of it.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in _FRAMES:
        raise RequestError("encoding_invalid", f"it is {name!r}; send gzip, deflate or none", field="Content-Encoding")
    decompressor = zlib.decompressobj(_FRAMES[name])
    try:
        inflated = decompressor.decompress(body, most + 1)
    except zlib.error as error:
        raise _damaged(name, str(error)) from None
    if len(inflated) > most:
        reason = f"the body inflates to more than {most:,} bytes; send fewer texts at a time"
        raise RequestError("body_too_large", reason)
    if not decompressor.eof or decompressor.unused_data:
        raise _damaged(name, "bytes follow its end" if decompressor.eof else "its end is missing")
    return inflated


def _damaged(name: str, reason: str) -> RequestError:
    return RequestError("encoding_invalid", f"the body is not {name}: {reason}", field="Content-Encoding")
