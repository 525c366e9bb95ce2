"""Bytes as they arrive into text: inflated where they are gzipped, decoded, and no more of it than allowed."""

import codecs
import zlib
from collections.abc import Iterator

from review_scorer.tables.errors import FileError

# What is inflated, decoded and cut into rows in one go: a fraction of a millisecond's work.
PIECE = 32_768

_GZIP = b"\x1f\x8b"
# What Windows and the web call Shift_JIS is its extension cp932.
_CODECS = {"utf-8": "utf-8", "shift_jis": "cp932", "cp932": "cp932", "euc_jp": "euc_jp"}
_ALIASES = {"utf8": "utf-8", "sjis": "shift_jis", "windows_31j": "cp932", "ms932": "cp932", "eucjp": "euc_jp"}


def codec_of(charset: str) -> str:
    """Return Python's name of the encoding ``charset``; raise ``FileError`` for one that is not read."""
    name = charset.strip().lower().replace("-", "_").replace("x_", "", 1)
    name = "utf-8" if name == "utf_8" else name
    try:
        return _CODECS[_ALIASES.get(name, name)]
    except KeyError:
        raise FileError("charset_unknown", f"files in {charset!r} are not read; send {', '.join(_CODECS)}") from None


class Pieces:
    """Turns the bytes of a file, fed as they come, into pieces of its text.

    gzip is known by its first bytes. At most ``most`` bytes are read, counted after inflating. ``marked`` says whether
    a byte-order mark stood at its head.
    """

    def __init__(self, *, codec: str, most: int) -> None:
        self.marked = False
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._most = most
        self._size = 0
        self._head = b""
        self._inflater: _Inflater | None = None
        # Whether bytes were looked at, and whether any text came of them.
        self._started = self._begun = False

    def skip(self, size: int) -> None:
        """Count so many bytes as read: what is fed from here on is no longer the head of the file."""
        self._size += size
        self._started = True
        self._begun = self._begun or size > 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the text of some more bytes. Raises ``FileError``, after the text before the fault."""
        if not self._started:
            self._head += data
            if len(self._head) < len(_GZIP):
                return
            data, self._head = self._head, b""
            self._started = True
            self._inflater = _Inflater() if data.startswith(_GZIP) else None
        for piece in self._inflater.feed(data) if self._inflater else _cut(data):
            yield from self._decode(piece)

    def end(self) -> Iterator[str]:
        """Yield what is left when no more bytes come; raises as ``feed`` does."""
        yield from self._decode(self._head, final=not self._inflater)
        if self._inflater:
            self._inflater.end()
            yield from self._decode(b"", final=True)

    def _decode(self, piece: bytes, *, final: bool = False) -> Iterator[str]:
        before, self._size = self._size, self._size + len(piece)
        if self._size > self._most:
            raise FileError("file_too_large", f"the file has over {self._most:,} bytes; send it in parts")
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            yield self._unmarked(error.object[: error.start].decode(self._codec))
            at = before + len(piece) - len(error.object) + error.start
            reason = f"byte {at + 1:,} of the file is not {self._codec}; rows from there on are not scored"
            raise FileError("file_encoding", f"{reason}; say which encoding it is in") from None
        if text:
            yield self._unmarked(text)

    def _unmarked(self, text: str) -> str:
        first, self._begun = not self._begun, True
        if first and text.startswith("\ufeff"):
            self.marked = True
            return text[1:]
        return text


class _Inflater:
    """gzip, of one member or several."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._whole = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._whole:
                data = data.lstrip(b"\0")  # padding between members or after the last
                if not data:
                    return
                self._member, self._whole = zlib.decompressobj(zlib.MAX_WBITS | 16), False
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise FileError("file_gzip", f"the gzip data is damaged: {error}") from None
            if piece:
                yield piece
            self._whole = self._member.eof
            data = self._member.unused_data if self._whole else self._member.unconsumed_tail
            full = len(piece) == PIECE and not self._whole

    def end(self) -> None:
        if not self._whole:
            raise FileError("file_gzip", "the gzip data ends too early: the file was cut off, send it whole")


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
