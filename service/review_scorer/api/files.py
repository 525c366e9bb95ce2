"""Files of reviews: the same rows come back with their scores, while the file is still on its way."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

import falcon
import falcon.asgi

from review_scorer.api.predictor import Predictor
from review_scorer.errors import RequestError
from review_scorer.prediction_log.prediction_ids import HEADER, new_id
from review_scorer.tables.columns import Columns
from review_scorer.tables.decode import codec_of
from review_scorer.tables.errors import FileError
from review_scorer.tables.reader import Reader, batches, writer
from review_scorer.tables.row_results import Outcome, fault, merged, outcome
from review_scorer.tables.rows import Row

CONTENT_TYPES = {"csv": "text/csv", "tsv": "text/tab-separated-values", "jsonl": "application/jsonl"}
"""What each kind of file is called; the first line shows what a file is that is called by none of these."""

_KINDS = {name: kind for kind, name in CONTENT_TYPES.items()} | {
    "application/csv": "csv",
    "application/json-lines": "jsonl",
    "application/jsonlines": "jsonl",
    "application/ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
}
# What curl and browsers say of files that they do not know, and what says nothing of what is inside.
_ANY = {
    "",
    "application/gzip",
    "application/octet-stream",
    "application/vnd.ms-excel",
    "application/x-gzip",
    "application/x-www-form-urlencoded",
    "text/plain",
}
_CHARSETS = {"utf-8": "utf-8", "cp932": "shift_jis", "euc_jp": "euc-jp"}

# A worker scores so many files at a time, in turns; each counts as so many texts among what the worker has accepted.
_AT_ONCE = 4
_TEXTS = 64
# Rows that are read, scored and written between two looks at the queue, fewer of long ones: single reviews wait for no
# more. Twice as many are scored 4% faster, and let single reviews wait twice as long.
_ROWS = 8
_CHARS = 2_000
# What is written at once: a client has SCORER_WRITE_TIMEOUT for each.
_WRITTEN = 65_536

_Pieces = AsyncIterator[bytes]


class Files:
    """Files of reviews, asked for by ``POST`` with a file as the body, or as the first file of a form."""

    def __init__(self, predictor: Predictor, *, max_bytes: int) -> None:
        self._scorer = predictor.scorer
        self._admission = predictor.admission
        self._predict = predictor.predict
        self._max_bytes = max_bytes
        self._open = 0

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the rows of the file, each with ``score``, ``interval_low``, ``interval_high`` and ``error``.

        What is wrong before the first row is an error like others. Later it is the answer's last line, as the answer
        is on its way by then.
        """
        file = await _file(request)
        columns = Columns(text=request.get_param("text") or "", prefix=request.get_param("prefix") or "")
        codec = codec_of(request.get_param("charset") or file.charset)
        answer = _Answer(Reader(columns, kind=file.kind, codec=codec, most=self._max_bytes), columns, codec)
        lines = self._score(file.pieces, answer)
        first = await anext(lines)
        response.content_type = answer.content_type
        response.set_header(HEADER, answer.name)
        response.stream = _chain(first, lines)

    async def _score(self, pieces: _Pieces, answer: "_Answer") -> AsyncIterator[bytes]:
        if refusal := self._admission.decide(at_limit=self._open >= _AT_ONCE):
            raise refusal
        self._open += 1
        try:
            with self._admission.accept(_TEXTS, 0):
                async for batch in _batches(pieces, answer.reader):
                    for piece in answer.lines(await self._judge(batch, answer)):
                        yield piece
                yield answer.head()  # of a file without rows
        except (FileError, RequestError) as error:
            if not answer.begun:
                raise
            yield answer.last(error)
        finally:
            self._open -= 1

    async def _judge(self, rows: Sequence[Row], answer: "_Answer") -> list[tuple[Row, Outcome]]:
        faults = [fault(self._scorer, row) for row in rows]
        good = [
            (row.text, identity)
            for row, identity, wrong in zip(rows, answer.ids(rows), faults, strict=True)
            if not wrong
        ]
        texts, ids = [text for text, _ in good], [identity for _, identity in good]
        # Those who came while the last rows were scored go first: in the first look at the sockets they are read, in
        # the second they queue up. So a single review waits for the rest of one slice, and not for the next as well.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        details = await self._predict(texts, ids, resumed=answer.begun)
        return merged(rows, faults, [outcome(detail.score, detail.interval) for detail in details])


class _Answer:
    """The answer as bytes, in the form and the encoding of the file."""

    def __init__(self, reader: Reader, columns: Columns, codec: str) -> None:
        self.reader = reader
        self.begun = False
        self.name = new_id()
        self._rows = 0
        self._added = columns.added
        self._codec = codec

    @property
    def content_type(self) -> str:
        """The media type, to be asked for when something was answered."""
        kind = self.reader.kind
        return CONTENT_TYPES[kind] + ("" if kind == "jsonl" else f"; charset={_CHARSETS[self._codec]}")

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """Return what the predictions for the next rows are called: the answer's name and the row's number, from 0."""
        self._rows += len(rows)
        return [f"{self.name}.{number}" for number in range(self._rows - len(rows), self._rows)]

    def head(self) -> bytes:
        """Return the header if it was not returned before, else nothing."""
        if self.begun:
            return b""
        self.begun = True
        self._writer = writer(self.reader.kind, self._added)
        return self._encoded(self._writer.head(self.reader.names, mark=self.reader.mark))

    def lines(self, scored: Iterable[tuple[Row, Outcome]]) -> Iterator[bytes]:
        """Yield the rows, after the header."""
        data = self.head() + self._encoded(self._writer.lines(scored))
        for start in range(0, len(data), _WRITTEN):
            yield data[start : start + _WRITTEN]

    def last(self, error: FileError | RequestError) -> bytes:
        """Return the line that says why there are no more."""
        return self._encoded(self._writer.last(f"{error.code}: {error}"))

    def _encoded(self, text: str) -> bytes:
        return text.encode("utf-8" if self.reader.kind == "jsonl" else self._codec, errors="replace")


class _File(NamedTuple):
    kind: str
    charset: str
    pieces: _Pieces


async def _file(request: falcon.asgi.Request) -> _File:
    """Return the file that is sent, as the body or in a form."""
    media, parameters = falcon.parse_header(request.content_type or "")
    if media != falcon.MEDIA_MULTIPART:
        return _File(_kind(media), parameters.get("charset", "utf-8"), aiter(request.stream))
    try:
        parts = aiter(await request.get_media())
        async for part in parts:
            if part.filename or part.name == "file":
                media, parameters = falcon.parse_header(part.content_type)
                kind = _suffix(part.filename or "") or _kind(media)
                return _File(kind, parameters.get("charset", "utf-8"), _pieces(part.stream, parts))
    except falcon.HTTPError as error:
        raise _not_a_form(error) from None
    except UnicodeDecodeError:
        raise FileError("form_invalid", "the form has a part whose name or type is not UTF-8") from None
    raise FileError("form_invalid", "the form has no file; send one in a part with a file name")


async def _pieces(file: _Pieces, parts: AsyncIterator[object]) -> _Pieces:
    try:
        async for piece in file:
            yield piece
        # To the end of the form: only that shows that it was whole.
        async for _ in parts:
            pass
    except falcon.HTTPError as error:
        raise _not_a_form(error) from None


def _not_a_form(error: falcon.HTTPError) -> FileError:
    return FileError("form_invalid", f"the form is damaged, or cut off: {error.description or error.title}")


def _kind(media: str) -> str:
    media = media.lower()
    if media in _KINDS or media in _ANY:
        return _KINDS.get(media, "")
    raise FileError("file_type", f"files of {media} are not read; send {', '.join(CONTENT_TYPES.values())}")


def _suffix(name: str) -> str:
    suffix = name.lower().removesuffix(".gz").rpartition(".")[2]
    return {"ndjson": "jsonl"}.get(suffix, suffix if suffix in CONTENT_TYPES else "")


async def _batches(pieces: _Pieces, reader: Reader) -> AsyncIterator[list[Row]]:
    async for piece in pieces:
        for batch in batches(reader.feed(piece), most=_ROWS, chars=_CHARS):
            yield batch
    for batch in batches(reader.end(), most=_ROWS, chars=_CHARS):
        yield batch


async def _chain(first: bytes, rest: _Pieces) -> _Pieces:
    yield first
    async for piece in rest:
        yield piece
