"""Strategies for media types that schemathesis does not know; loaded through ``SCHEMATHESIS_HOOKS``."""

import gzip

import schemathesis
from hypothesis import strategies as st

_CELLS = st.text(max_size=40)
_CSV = st.lists(st.lists(_CELLS, min_size=1, max_size=4).map(",".join), max_size=8)
_FILES = st.one_of(_CSV.map(lambda lines: "\n".join(["texts", *lines])), _CSV.map("\n".join), st.text())
_ENCODED = _FILES.map(lambda text: text.encode(errors="surrogatepass"))

schemathesis.openapi.media_type("text/csv", _ENCODED, aliases=["text/tab-separated-values", "application/jsonl"])
schemathesis.openapi.media_type("application/gzip", st.one_of(st.binary(), _ENCODED.map(gzip.compress)))
