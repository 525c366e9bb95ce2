"""Headers of every answer, whoever gives it.

After https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html: nothing that is answered here is to
be guessed at, framed, run, loaded by other pages or kept by caches. An answer that is a page says itself what it needs.
"""

from collections.abc import Iterable

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

Pairs = Iterable[tuple[bytes, bytes]]


def with_always(headers: Pairs) -> list[tuple[bytes, bytes]]:
    """Return ``headers``, with each of those that every answer has where it has none of that name."""
    own = list(headers)
    names = {name for name, _ in own}
    return [*own, *(pair for pair in ALWAYS if pair[0] not in names)]
