"""Decodes the bytes of a file to text incrementally: decompression, character encoding, size limit."""

import codecs
import zlib
from collections.abc import Iterator

from review_scorer.tables.errors import FileError

# Decompressed, decoded and parsed in one step, which takes a fraction of a millisecond.
CHUNK_SIZE = 32_768

_GZIP = b"\x1f\x8b"
# What Windows and the web call Shift_JIS is its extension cp932.
_CODECS = {"utf-8": "utf-8", "shift_jis": "cp932", "cp932": "cp932", "euc_jp": "euc_jp"}
_ALIASES = {"utf8": "utf-8", "sjis": "shift_jis", "windows_31j": "cp932", "ms932": "cp932", "eucjp": "euc_jp"}


def codec_of(charset: str) -> str:
    """Return Python's codec for the encoding ``charset``. Raises ``FileError`` if it is not supported."""
    name = charset.strip().lower().replace("-", "_").replace("x_", "", 1)
    name = "utf-8" if name == "utf_8" else name
    try:
        return _CODECS[_ALIASES.get(name, name)]
    except KeyError:
        reason = f"the encoding {charset!r} is not supported; use {', '.join(_CODECS)}"
        raise FileError("charset_unknown", reason) from None


class TextDecoder:
    """Decodes the bytes of a file, fed in chunks of any size, to chunks of text.

    gzip is detected by its magic number. ``max_bytes`` limits the decompressed size. ``has_bom`` is whether the file
    begins with a byte-order mark, which is removed.
    """

    def __init__(self, *, codec: str, max_bytes: int) -> None:
        self.has_bom = False
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._max_bytes = max_bytes
        self._size = 0
        self._head = b""
        self._inflater: _Inflater | None = None
        # Whether the magic number was checked, and whether text was decoded.
        self._checked = self._has_text = False

    def skip(self, size: int) -> None:
        """Count ``size`` bytes as read: the next bytes are not the beginning of the file."""
        self._size += size
        self._checked = True
        self._has_text = self._has_text or size > 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the text of more bytes. Raises ``FileError`` after the text that precedes the fault."""
        if not self._checked:
            self._head += data
            if len(self._head) < len(_GZIP):
                return
            data, self._head = self._head, b""
            self._checked = True
            self._inflater = _Inflater() if data.startswith(_GZIP) else None
        for chunk in self._inflater.feed(data) if self._inflater else _chunks(data):
            yield from self._decode(chunk)

    def end(self) -> Iterator[str]:
        """Yield the remaining text at the end of the file. Raises ``FileError`` as ``feed`` does."""
        yield from self._decode(self._head, final=not self._inflater)
        if self._inflater:
            self._inflater.end()
            yield from self._decode(b"", final=True)

    def _decode(self, chunk: bytes, *, final: bool = False) -> Iterator[str]:
        before, self._size = self._size, self._size + len(chunk)
        if self._size > self._max_bytes:
            raise FileError("file_too_large", f"the file has over {self._max_bytes:,} bytes; split it")
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            yield self._without_bom(error.object[: error.start].decode(self._codec))
            at = before + len(chunk) - len(error.object) + error.start
            reason = f"byte {at + 1:,} of the file is not {self._codec}; the rows from there on are not scored"
            raise FileError("file_encoding", f"{reason}; name the encoding of the file") from None
        if text:
            yield self._without_bom(text)

    def _without_bom(self, text: str) -> str:
        first, self._has_text = not self._has_text, True
        if first and text.startswith("\ufeff"):
            self.has_bom = True
            return text[1:]
        return text


class _Inflater:
    """Decompresses gzip data of one or more members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._complete = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._complete:
                data = data.lstrip(b"\0")  # padding between members or after the last one
                if not data:
                    return
                self._member, self._complete = zlib.decompressobj(zlib.MAX_WBITS | 16), False
            try:
                chunk = self._member.decompress(data, CHUNK_SIZE)
            except zlib.error as error:
                raise FileError("file_gzip", f"the gzip data is damaged: {error}") from None
            if chunk:
                yield chunk
            self._complete = self._member.eof
            data = self._member.unused_data if self._complete else self._member.unconsumed_tail
            full = len(chunk) == CHUNK_SIZE and not self._complete

    def end(self) -> None:
        if not self._complete:
            raise FileError("file_gzip", "the gzip data ends too early: the file was cut off, send it whole")


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK_SIZE):
        yield data[start : start + CHUNK_SIZE]
