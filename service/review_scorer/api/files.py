"""Scores of files: ``/api/1/files`` answers the rows of a CSV, TSV or JSON Lines file while it is still uploaded."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

import falcon
import falcon.asgi

from review_scorer.api.predictor import Predictor
from review_scorer.errors import RequestError
from review_scorer.prediction_log.prediction_ids import HEADER, new_id
from review_scorer.scoring.text import ScorableText
from review_scorer.tables.columns import Columns
from review_scorer.tables.decode import codec_of
from review_scorer.tables.errors import FileError
from review_scorer.tables.reader import TableReader, batches, table_writer
from review_scorer.tables.row_results import RowResult, merge_results, row_error
from review_scorer.tables.rows import Row

CONTENT_TYPES = {"csv": "text/csv", "tsv": "text/tab-separated-values", "jsonl": "application/jsonl"}
"""Media type of each file format."""

_FORMATS = {media_type: kind for kind, media_type in CONTENT_TYPES.items()} | {
    "application/csv": "csv",
    "application/json-lines": "jsonl",
    "application/jsonlines": "jsonl",
    "application/ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
}
# Media types that curl and browsers send for unknown files. They do not tell the format; the first line does.
_GENERIC_TYPES = {
    "",
    "application/gzip",
    "application/octet-stream",
    "application/vnd.ms-excel",
    "application/x-gzip",
    "application/x-www-form-urlencoded",
    "text/plain",
}
_CHARSETS = {"utf-8": "utf-8", "cp932": "shift_jis", "euc_jp": "euc-jp"}

# Files that one worker scores concurrently, and the texts that each counts as in the worker's pending work.
_MAX_FILES = 4
_PENDING_TEXTS = 64
# Rows read, scored and written between two rounds of the queue, fewer of long ones: this bounds how long a single
# review waits. Twice as many are scored 4% faster, but double that wait.
_BATCH_ROWS = 8
_BATCH_CHARS = 2_000
# Bytes of one write; SCORER_WRITE_TIMEOUT applies to each.
_CHUNK_BYTES = 65_536

_Chunks = AsyncIterator[bytes]


class Files:
    """Scores a file sent by ``POST``, as the body or as the first file of a ``multipart/form-data`` form."""

    def __init__(self, predictor: Predictor, *, max_bytes: int) -> None:
        self._scorer = predictor.scorer
        self._admission = predictor.admission
        self._predict = predictor.predict
        self._max_bytes = max_bytes
        self._in_progress = 0

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the rows of the file, each with ``score``, ``interval_low``, ``interval_high`` and ``error``.

        An error before the first row has the status and body of other errors. A later one is the last line of the
        answer, since the status has been sent by then.
        """
        upload = await _open_upload(request)
        columns = Columns(text=request.get_param("text") or "", prefix=request.get_param("prefix") or "")
        codec = codec_of(request.get_param("charset") or upload.charset)
        scored = _ScoredFile(
            TableReader(columns, kind=upload.kind, codec=codec, max_bytes=self._max_bytes), columns, codec
        )
        chunks = self._score(upload.chunks, scored)
        first = await anext(chunks)
        response.content_type = scored.content_type
        response.set_header(HEADER, scored.id)
        response.stream = _chain(first, chunks)

    async def _score(self, upload: _Chunks, scored: "_ScoredFile") -> AsyncIterator[bytes]:
        if refusal := self._admission.decide(at_limit=self._in_progress >= _MAX_FILES):
            raise refusal
        self._in_progress += 1
        try:
            with self._admission.accept(_PENDING_TEXTS, 0):
                async for batch in _batches(upload, scored.reader):
                    for chunk in scored.rows(await self._score_rows(batch, scored)):
                        yield chunk
                yield scored.header()  # of a file without rows
        except (FileError, RequestError) as error:
            if not scored.started:
                raise
            yield scored.error(error)
        finally:
            self._in_progress -= 1

    async def _score_rows(self, rows: Sequence[Row], scored: "_ScoredFile") -> list[tuple[Row, RowResult]]:
        faults = [row_error(self._scorer, row) for row in rows]
        ids_and_faults = zip(rows, scored.next_ids(len(rows)), faults, strict=True)
        valid = [(row.text, prediction_id) for row, prediction_id, error in ids_and_faults if not error]
        texts, ids = [ScorableText(text) for text, _ in valid], [prediction_id for _, prediction_id in valid]
        # Single reviews that arrived while the last batch was scored go first: the event loop reads them in its next
        # round and queues them in the one after. So they wait for the rest of one batch, not for the next one as well.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        predictions = await self._predict(texts, ids, resumed=scored.started)
        return merge_results(rows, faults, [RowResult(each.score, *each.interval) for each in predictions])


class _ScoredFile:
    """Bytes of the answer, in the format and encoding of the uploaded file."""

    def __init__(self, reader: TableReader, columns: Columns, codec: str) -> None:
        self.reader = reader
        self.started = False
        self.id = new_id()
        self._rows = 0
        self._added = columns.added
        self._codec = codec

    @property
    def content_type(self) -> str:
        """Media type of the answer; known once its first bytes were made."""
        kind = self.reader.kind
        return CONTENT_TYPES[kind] + ("" if kind == "jsonl" else f"; charset={_CHARSETS[self._codec]}")

    def next_ids(self, count: int) -> list[str]:
        """Return the prediction ids of the next ``count`` rows: the id of the answer and the row's index, from 0."""
        self._rows += count
        return [f"{self.id}.{index}" for index in range(self._rows - count, self._rows)]

    def header(self) -> bytes:
        """Return the header at the first call, then nothing."""
        if self.started:
            return b""
        self.started = True
        self._writer = table_writer(self.reader.kind, self._added)
        return self._encode(self._writer.header(self.reader.names, bom=self.reader.bom))

    def rows(self, scored: Iterable[tuple[Row, RowResult]]) -> Iterator[bytes]:
        """Yield the rows, after the header."""
        data = self.header() + self._encode(self._writer.rows(scored))
        for start in range(0, len(data), _CHUNK_BYTES):
            yield data[start : start + _CHUNK_BYTES]

    def error(self, error: FileError | RequestError) -> bytes:
        """Return the last line of an answer that ends early, with the error."""
        return self._encode(self._writer.error(f"{error.code}: {error}"))

    def _encode(self, text: str) -> bytes:
        return text.encode("utf-8" if self.reader.kind == "jsonl" else self._codec, errors="replace")


class _Upload(NamedTuple):
    kind: str
    charset: str
    chunks: _Chunks


async def _open_upload(request: falcon.asgi.Request) -> _Upload:
    """Return the file in the body, or the first file of the form."""
    media_type, parameters = falcon.parse_header(request.content_type or "")
    if media_type != falcon.MEDIA_MULTIPART:
        return _Upload(_kind(media_type), parameters.get("charset", "utf-8"), aiter(request.stream))
    try:
        parts = aiter(await request.get_media())
        async for part in parts:
            if part.filename or part.name == "file":
                media_type, parameters = falcon.parse_header(part.content_type)
                kind = _kind_of_name(part.filename or "") or _kind(media_type)
                return _Upload(kind, parameters.get("charset", "utf-8"), _part_chunks(part.stream, parts))
    except falcon.HTTPError as error:
        raise _form_error(error) from None
    except UnicodeDecodeError:
        raise FileError("form_invalid", "invalid form: the name or type of a part is not UTF-8") from None
    raise FileError("form_invalid", "the form has no file; send one in a part with a filename")


async def _part_chunks(file: _Chunks, parts: AsyncIterator[object]) -> _Chunks:
    try:
        async for chunk in file:
            yield chunk
        # Read the form to its end: only the closing boundary shows that it is complete.
        async for _ in parts:
            pass
    except falcon.HTTPError as error:
        raise _form_error(error) from None


def _form_error(error: falcon.HTTPError) -> FileError:
    return FileError("form_invalid", f"the form is invalid or incomplete: {error.description or error.title}")


def _kind(media_type: str) -> str:
    media_type = media_type.lower()
    if media_type in _FORMATS or media_type in _GENERIC_TYPES:
        return _FORMATS.get(media_type, "")
    raise FileError("file_type", f"media type {media_type} is not supported; send {', '.join(CONTENT_TYPES.values())}")


def _kind_of_name(filename: str) -> str:
    suffix = filename.lower().removesuffix(".gz").rpartition(".")[2]
    return {"ndjson": "jsonl"}.get(suffix, suffix if suffix in CONTENT_TYPES else "")


async def _batches(chunks: _Chunks, reader: TableReader) -> AsyncIterator[list[Row]]:
    async for chunk in chunks:
        for batch in batches(reader.feed(chunk), max_rows=_BATCH_ROWS, max_chars=_BATCH_CHARS):
            yield batch
    for batch in batches(reader.end(), max_rows=_BATCH_ROWS, max_chars=_BATCH_CHARS):
        yield batch


async def _chain(first: bytes, rest: _Chunks) -> _Chunks:
    yield first
    async for chunk in rest:
        yield chunk
