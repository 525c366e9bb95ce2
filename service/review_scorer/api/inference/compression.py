"""Decompresses request bodies, which clients of the protocol may send compressed."""

import zlib

from review_scorer.errors import RequestError

# zlib's window sizes of the two encodings; 16 more than the largest selects the gzip format.
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


def decompress(body: bytes, encoding: str | None, *, max_bytes: int) -> bytes:
    """Return ``body`` without its ``Content-Encoding``: gzip, deflate, identity or None.

    At most ``max_bytes`` + 1 bytes are decompressed. Raises ``RequestError`` for an unsupported encoding, for invalid
    or incomplete data, and for more than ``max_bytes`` bytes.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in _WINDOW_BITS:
        reason = f"{name!r} is not supported; send gzip, deflate or identity"
        raise RequestError("encoding_invalid", reason, field="Content-Encoding")
    decompressor = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        decompressed = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise _invalid(name, str(error)) from None
    if len(decompressed) > max_bytes:
        reason = f"request body exceeds {max_bytes:,} bytes after decompression; send fewer texts per request"
        raise RequestError("body_too_large", reason)
    if not decompressor.eof or decompressor.unused_data:
        raise _invalid(name, "unexpected data after the end" if decompressor.eof else "unexpected end of data")
    return decompressed


def _invalid(name: str, reason: str) -> RequestError:
    return RequestError("encoding_invalid", f"request body is not valid {name}: {reason}", field="Content-Encoding")
