"""Files over HTTP: each row is answered with its score or its error."""

import csv
import gzip
import io
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from review_scorer.scoring.bundle import load
from review_scorer.tables.columns import Columns
from review_scorer.tables.errors import FileError
from review_scorer.tables.reader import DELIMITERS, TableReader
from review_scorer.tables.rows import MAX_ROW_CHARS, Row
from tests.support.running import Server, peak_memory, serving
from tests.support.scraping import scrape

PATH = "/api/1/files"
ADDED = ["score", "interval_low", "interval_high", "error"]
CSV = {"Content-Type": "text/csv"}
TABLE = 'id,texts\r\n1,良い宿\r\n2,""\r\n3,"一行目、\n「二行目」と""引用""、最後,終"\r\n4,すぐ壊れた\r\n'
TEXTS = ["良い宿", "", '一行目、\n「二行目」と"引用"、最後,終', "すぐ壊れた"]
MILLION = "良" * 1_000_000


def send(
    server: Server, content: bytes | str, *, headers: dict[str, str] | None = None, **query: str
) -> httpx.Response:
    body = content.encode() if isinstance(content, str) else content
    return server.client.post(PATH, content=body, headers=headers or {}, params=query)


def rows_of(response: httpx.Response, *, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    csv.field_size_limit(2 * MAX_ROW_CHARS)  # of this process; a row may be longer than the default
    return list(csv.DictReader(io.StringIO(response.content.decode(encoding), newline=""), delimiter=delimiter))


def refused(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture(scope="module")
def scores(tiny_bundle: Path) -> dict[str, float]:
    texts = [text for text in TEXTS if text]
    return dict(zip(texts, load(tiny_bundle).scorer.score_many(texts), strict=True))


@pytest.fixture(scope="module")
def strict(tiny_bundle: Path) -> Iterator[Server]:
    """A server with short timeouts and a low file limit, with one worker."""
    settings = {
        "READ_HEADER_TIMEOUT": "0.5",
        "READ_BODY_TIMEOUT": "0.5",
        "WRITE_TIMEOUT": "0.5",
        "MAX_FILE_BYTES": "1000000",
    }
    with serving(tiny_bundle, WORKERS="1", **settings) as server:
        yield server


# Answers


def test_each_row_is_answered_with_its_score_and_interval(server: Server, scores: dict[str, float]) -> None:
    response = send(server, TABLE, headers=CSV)
    rows = rows_of(response)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert list(rows[0]) == ["id", "texts", *ADDED]
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["texts"] for row in rows] == TEXTS
    for row in rows:
        if row["texts"]:
            assert float(row["score"]) == pytest.approx(scores[row["texts"]], abs=1e-9, rel=0)
            assert 1 <= float(row["interval_low"]) <= float(row["score"]) <= float(row["interval_high"]) <= 5
            assert row["error"] == ""


def test_a_score_of_a_file_is_the_score_of_a_single_review(server: Server) -> None:
    answer = server.client.post("/api/1/scores", json={"texts": TEXTS[0], "detail": True}).json()
    (row, *_) = rows_of(send(server, TABLE))
    assert float(row["score"]) == pytest.approx(answer["score"], abs=1e-9, rel=0)
    assert [float(row["interval_low"]), float(row["interval_high"])] == pytest.approx(answer["interval"], abs=1e-9)


def test_an_invalid_row_keeps_its_place_and_has_an_error(server: Server) -> None:
    table = f"texts,x\n良い,1\n,2\n良い,3,4\n{MILLION},5\n良\0い,6\n7\n良い,8\n"
    rows = rows_of(send(server, table, headers=CSV))
    codes = [row["error"].partition(":")[0] for row in rows]
    assert codes == ["", "text_empty", "row_cells", "text_too_long", "text_nul", "", ""]
    assert rows[3]["texts"] == MILLION
    assert "1,000,000 characters; at most 10,000" in rows[3]["error"]
    for row, code in zip(rows, codes, strict=True):
        assert bool(row["score"]) == (not code)


def test_json_lines_keep_their_members(server: Server) -> None:
    lines = ['{"text": "良い", "n": {"a": [1, null]}, "x": "\\ud800"}', "[5]", "{", '{"text": 5}', '{"y": 1}', ""]
    response = send(server, "\n".join(lines))
    assert response.headers["Content-Type"] == "application/jsonl"
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert {name: rows[0][name] for name in ("text", "n", "x")} == json.loads(lines[0])
    assert rows[0]["error"] is None
    assert [row["error"].partition(":")[0] for row in rows[1:]] == [
        "row_not_json",
        "row_not_json",
        "text_type",
        "text_column_missing",
    ]
    assert all(list(row)[-4:] == ADDED for row in rows)


@pytest.mark.parametrize(
    ("content", "headers", "delimiter"),
    [
        (TABLE.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, ","),
        (TABLE.replace(",", "\t").encode(), {"Content-Type": "text/tab-separated-values"}, "\t"),
        ("id\ttexts\n1\t良い宿\n".encode(), {}, "\t"),
        (gzip.compress(TABLE.encode()), {"Content-Type": "application/gzip"}, ","),
        (gzip.compress(TABLE.encode()), {**CSV, "Content-Encoding": "gzip"}, ","),
        (gzip.compress(TABLE[:30].encode()) + gzip.compress(TABLE[30:].encode()) + b"\0\0", {}, ","),
        (b"\xef\xbb\xbf" + TABLE.encode(), CSV, ","),
        (TABLE.replace("\r\n", "\r").encode(), CSV, ","),
    ],
    ids=["curl", "tsv", "tabs", "gzip", "content-encoding", "gzip members", "byte-order mark", "old mac"],
)
def test_common_formats_and_encodings_are_read(
    server: Server, scores: dict[str, float], content: bytes, headers: dict[str, str], delimiter: str
) -> None:
    response = send(server, content, headers=headers)
    first = rows_of(response, encoding="utf-8-sig", delimiter=delimiter)[0]
    assert float(first["score"]) == pytest.approx(scores["良い宿"], abs=1e-9, rel=0)
    assert response.content.startswith(b"\xef\xbb\xbf") == content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("name", "media", "content"),
    [
        ("reviews.csv", "application/vnd.ms-excel", TABLE.encode()),
        ("reviews.csv.gz", "application/gzip", gzip.compress(TABLE.encode())),
        ("reviews.dat", "text/csv", TABLE.encode()),
    ],
)
def test_the_first_file_of_a_form_is_scored(server: Server, name: str, media: str, content: bytes) -> None:
    response = server.client.post(PATH, files={"upload": (name, content, media)}, data={"note": "先"})
    assert [row["texts"] for row in rows_of(response)] == TEXTS


def test_a_media_type_is_case_insensitive(server: Server) -> None:
    response = send(server, TABLE, headers={"Content-Type": "Text/CSV; Charset=UTF-8"})
    assert [row["texts"] for row in rows_of(response)] == TEXTS


def test_json_lines_with_invalid_numbers_are_answered_as_valid_json(server: Server) -> None:
    response = send(server, '{"texts": "良い", "x": [1e999, NaN, 1.5]}\n{"texts": "良い", "x": "\\ud800"}\n')

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    rows = [json.loads(line, parse_constant=refuse) for line in response.text.splitlines()]
    assert [row["x"] for row in rows] == [[None, None, 1.5], "\ud800"]


def test_a_file_in_shift_jis_is_answered_in_shift_jis(server: Server) -> None:
    content = TABLE.encode("cp932")
    for response in (
        send(server, content, headers={"Content-Type": "text/csv; charset=Shift_JIS"}),
        send(server, content, charset="cp932"),
    ):
        assert response.headers["Content-Type"] == "text/csv; charset=shift_jis"
        assert [row["texts"] for row in rows_of(response, encoding="cp932")] == TEXTS


@pytest.mark.parametrize("name", ["texts", "Review", " 本文 ", "ＴＥＸＴ"])
def test_the_text_column_is_found_by_its_usual_names(server: Server, name: str) -> None:
    assert rows_of(send(server, f"id,{name}\n1,良い\n"))[0]["score"]


def test_a_column_without_a_name_is_not_the_text_column(server: Server, scores: dict[str, float]) -> None:
    (row,) = rows_of(send(server, ",texts\r\n0,良い宿\r\n", headers=CSV))
    assert float(row["score"]) == scores["良い宿"]


def test_the_text_column_can_be_named_in_the_query(server: Server) -> None:
    rows = rows_of(send(server, "texts,言葉\n,良い\n", text="言葉"))
    assert rows[0]["score"]


def test_an_existing_score_column_is_not_overwritten(server: Server) -> None:
    table = "texts,score\n良い,4\n"
    assert refused(send(server, table)) == (400, "column_conflict")
    (row,) = rows_of(send(server, table, prefix="predicted_"))
    assert row["score"] == "4"
    assert float(row["predicted_score"]) > 1


def test_a_file_without_rows_is_answered_with_the_extended_header(server: Server) -> None:
    assert send(server, "id,texts\n").text == "id,texts,score,interval_low,interval_high,error\r\n"


# Errors of a whole file


@pytest.mark.parametrize(
    ("content", "headers", "answer", "words"),
    [
        (b"", CSV, (400, "file_empty"), "the file is empty"),
        (b"\n\n", {}, (400, "file_empty"), "the file is empty"),
        (b"id,stars\n1,5\n", CSV, (400, "text_column_missing"), "it has id, stars"),
        (TABLE.encode("cp932"), CSV, (400, "file_encoding"), "byte 13 of the file is not utf-8"),
        (gzip.compress(TABLE.encode())[:12], CSV, (400, "file_gzip"), "cut off"),
        (b"\x1f\x8b" + b"x" * 50, CSV, (400, "file_gzip"), "damaged"),
        (b"%PDF", {"Content-Type": "application/pdf"}, (415, "file_type"), "text/csv"),
        (TABLE.encode(), {"Content-Type": "text/csv; charset=klingon"}, (415, "charset_unknown"), "'klingon'"),
        (
            b"--x\r\n",
            {"Content-Type": "multipart/form-data; boundary=x"},
            (400, "form_invalid"),
            "invalid or incomplete",
        ),
        (b"x", {"Content-Type": "multipart/form-data"}, (400, "form_invalid"), "invalid or incomplete"),
        (
            "--x\r\nContent-Disposition: form-data; name=file; filename=レビュー.csv\r\n\r\n".encode("cp932"),
            {"Content-Type": "multipart/form-data; boundary=x"},
            (400, "form_invalid"),
            "not UTF-8",
        ),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, (400, "form_invalid"), "no file"),
        (b'texts\n"' + b"x" * (MAX_ROW_CHARS + 1), CSV, (413, "row_too_long"), "quote"),
        (b'{"texts": "' + b"x" * (MAX_ROW_CHARS + 1), {}, (413, "row_too_long"), "a line of its own"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_reason(
    server: Server, content: bytes, headers: dict[str, str], answer: tuple[int, str], words: str
) -> None:
    response = send(server, content, headers=headers)
    assert refused(response) == answer
    assert words in response.json()["error"]["reason"]


@pytest.mark.parametrize("size", [50, 50_000])
@pytest.mark.parametrize("fault", ["file_gzip", "file_encoding", "row_too_long", "form_invalid", "row_unclosed"])
def test_an_error_after_the_first_rows_is_the_last_line(server: Server, fault: str, size: int) -> None:
    table = "texts\n" + "良い宿\n" * size
    headers = dict(CSV)
    match fault:
        case "file_gzip":
            content = gzip.compress(table.encode(), 0)[:-20]
        case "file_encoding":
            content = table.encode() + ("すぐ壊れた\n" * size).encode("cp932")
        case "row_too_long":
            content = (table + '"' + "x" * (MAX_ROW_CHARS + 1)).encode()
        case "row_unclosed":
            content = (table + '"すぐ壊れた\n良い\n').encode()
        case _:
            headers["Content-Type"] = "multipart/form-data; boundary=x"
            content = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + table.encode()
    *rows, last = rows_of(send(server, content, headers=headers))
    assert len(rows) >= size - 10
    assert all(row["score"] and not row["error"] for row in rows)
    assert last["score"] == ""
    assert last["error"].startswith(f"{fault}: ")


def test_the_last_line_of_json_lines_is_an_object_with_an_error(server: Server) -> None:
    content = gzip.compress(('{"text": "良い"}\n' * 500).encode(), 0)[:-100]
    *rows, last = [json.loads(line) for line in send(server, content).text.splitlines()]
    assert len(rows) > 400
    assert last == {"error": last["error"]}
    assert last["error"].startswith("file_gzip: ")


def test_decompression_stops_at_the_file_limit(strict: Server) -> None:
    bomb = gzip.compress("texts\n良い\n".encode() + b" " * 50_000_000)
    assert len(bomb) < 100_000
    (first, last) = rows_of(send(strict, bomb))
    assert first["score"]
    assert last["error"].startswith(("file_too_large: the file has over 1,000,000 bytes", "row_too_long: "))


def test_a_file_over_the_limit_is_refused_by_its_content_length(strict: Server) -> None:
    assert refused(send(strict, "texts\n" + "良い\n" * 200_000)) == (413, "file_too_large")


def test_a_chunked_upload_stops_at_the_file_limit(strict: Server) -> None:
    pieces = (("texts\n" if not number else f"{'良' * 1_000}\n" * 30).encode() for number in range(13))
    response = strict.client.post(PATH, content=pieces)
    *_, last = rows_of(response)
    assert last["error"].startswith("file_too_large: ")


# Streaming


def head(length: int) -> bytes:
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n\r\n".encode()


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1_048_576):
            received += piece
    return received


def send_for_ever(connection: socket.socket, request: bytes) -> None:
    while True:
        connection.sendall(request)


def test_the_first_rows_are_answered_before_the_last_are_sent(server: Server) -> None:
    with closing(socket.create_connection(server.address, timeout=10)) as connection:
        first, rest = "texts\r\n良い\r\nもう一つ\r\n".encode(), "最後\r\n".encode()
        connection.sendall(head(len(first) + len(rest)) + first)
        answer = b""
        while b"\xe4\xb8\x80\xe3\x81\xa4," not in answer:
            answer += connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        connection.sendall(rest)
        assert "最後,".encode() in read_all(connection)


def test_a_stalled_upload_ends_with_an_error_line(strict: Server) -> None:
    with closing(socket.create_connection(strict.address, timeout=10)) as connection:
        started = time.monotonic()
        connection.sendall(head(100_000) + "texts\r\n良い\r\n".encode())
        answer = read_all(connection)
        assert 0.3 < time.monotonic() - started < 3
        assert b"body_timeout: less than 65,536 bytes of the body in 0.5 s" in answer
        assert answer.endswith(b"0\r\n\r\n")


def test_a_slow_upload_is_cut_off(strict: Server) -> None:
    with ExitStack() as stack:
        dripping = {stack.enter_context(socket.create_connection(strict.address, timeout=10)): b"" for _ in range(4)}
        for connection in dripping:
            connection.sendall(head(100_000) + "texts\r\n良い\r\n".encode())
        started = time.monotonic()
        open_ones = list(dripping)
        while open_ones:
            assert time.monotonic() - started < 5
            time.sleep(0.05)
            for connection in select.select(open_ones, [], [], 0)[0]:
                piece = connection.recv(9_999)
                dripping[connection] += piece
                if not piece:
                    open_ones.remove(connection)
            for connection in open_ones:
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(b"x\n")
    for answer in dripping.values():
        assert b"body_timeout" in answer


def test_a_steady_upload_can_take_longer_than_the_timeouts(strict: Server) -> None:
    piece = ("良い" + "宿" * 500 + "\r\n").encode() * 44
    assert len(piece) > 65_536
    with closing(socket.create_connection(strict.address, timeout=10)) as connection:
        start = b"texts\r\n"
        connection.sendall(head(len(start) + 8 * len(piece)) + start)
        # In total longer than the 0.5 s timeout of each piece; a busy machine may pause for most of it.
        for _ in range(8):
            time.sleep(0.08)
            connection.sendall(piece)
        answer = read_all(connection)
        assert answer.count("良い".encode()) == 8 * 44
        assert b"body_timeout" not in answer


def test_a_client_that_does_not_read_is_cut_off(strict: Server) -> None:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(60)
        connection.connect(strict.address)
        body = ("texts\r\n" + "良い\r\n" * 100_000).encode()
        started = time.monotonic()
        # Nothing is read, so sending blocks in the end. Without the cut-off it would time out.
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection, head(len(body)) + body)
        assert time.monotonic() - started < 50


def test_a_disconnected_client_frees_its_slot(strict: Server) -> None:
    for _ in range(8):
        with closing(socket.create_connection(strict.address, timeout=10)) as connection:
            connection.sendall(head(900_000) + "texts\r\n良い\r\n".encode() * 100)
    deadline = time.monotonic() + 5
    while send(strict, TABLE).status_code != 200:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("missing", "pipelined"),
    [(0, b""), (10, b""), (0, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")],
    ids=["complete body", "partial body", "pipelined request"],
)
def test_scoring_stops_when_the_client_disconnects(server: Server, missing: int, pipelined: bytes) -> None:
    body = gzip.compress(b"texts\n" + b"a good\n" * 3_000_000)
    with closing(socket.create_connection(server.address, timeout=10)) as connection:
        connection.sendall(head(len(body)) + body[: len(body) - missing] + pipelined)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    deadline = time.monotonic() + 5
    while scrape(server)["scorer_requests_in_flight"] > 1:  # the scrape itself
        assert time.monotonic() < deadline


def test_too_many_concurrent_files_are_refused_with_retry_after(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, WORKERS="1", READ_BODY_TIMEOUT="20") as server:
        held = [socket.create_connection(server.address, timeout=10) for _ in range(4)]
        for connection in held:
            connection.sendall(head(900_000) + "texts\r\n良い\r\n".encode())
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        response = send(server, TABLE)
        assert refused(response) == (503, "overloaded")
        assert response.headers["Retry-After"] == "1"
        assert scrape(server)["scorer_requests_shed_total"] == 1
        assert server.client.post("/api/1/scores", json={"texts": "良い"}).status_code == 200
        for connection in held:
            connection.close()


def test_a_file_of_200_mb_takes_at_most_64_mib_of_memory(tiny_bundle: Path) -> None:
    """Most texts are empty, for speed: reading and writing are what could hold memory."""
    block = (",".join(["x" * 1_000] * 20) + ",\r\n").encode() * 50 + (",".join(["y"] * 20) + ",良い\r\n").encode()
    names = ",".join(f"c{number}" for number in range(20)).encode() + b",texts\r\n"
    count = 200_000_000 // len(block)
    with serving(tiny_bundle, WORKERS="1") as server:
        send(server, TABLE)
        (worker,) = server.workers()
        before = peak_memory(worker)
        with closing(socket.create_connection(server.address, timeout=60)) as connection:

            def upload() -> None:
                connection.sendall(head(len(names) + count * len(block)) + names)
                for _ in range(count):
                    connection.sendall(block)

            sender = threading.Thread(target=upload)
            sender.start()
            size, lines, tail = 0, 0, b""
            while piece := connection.recv(1_048_576):
                size += len(piece)
                lines += piece.count(b"\r\n")
                tail = (tail + piece)[-100:]
            sender.join()
        assert size > 200_000_000
        assert lines > 51 * count
        assert tail.endswith(b"0\r\n\r\n")
        assert peak_memory(worker) - before < 64 * 2**20


# Chunks


@pytest.mark.parametrize("size", [1, 7, 64, 1_000_000])
@pytest.mark.parametrize("kind", ["csv", "gzip", "jsonl"])
def test_rows_do_not_depend_on_the_chunks(kind: str, size: int) -> None:
    lines = [json.dumps({"texts": text}, ensure_ascii=False) for text in TEXTS]
    content = {"csv": TABLE, "gzip": TABLE, "jsonl": "\r\n".join(lines)}[kind].encode()
    content = gzip.compress(content) if kind == "gzip" else content
    reader = TableReader(Columns(), max_bytes=10_000)
    rows = [row for at in range(0, len(content), size) for row in reader.feed(content[at : at + size])]
    rows += reader.end()
    assert [row.text for row in rows] == TEXTS
    assert [row.number for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_lines_can_end_with_a_carriage_return(size: int) -> None:
    assert [row.values for row in read_chunks(size, b"texts,b\ra,1\rb,2")] == [["a", "1"], ["b", "2"]]


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("row", ['a,"b\nc', '"a"x,"b\nc', '"a"x,"'])
def test_an_unclosed_quote_is_an_error_of_its_row(row: str, kind: str, size: int) -> None:
    content = f"texts,b\nw,x\n{row}".replace(",", DELIMITERS[kind]).encode()
    errors = [row.error.partition(":")[0] for row in read_chunks(size, content, kind=kind)]
    assert errors == ["", "row_unclosed"]


@pytest.mark.parametrize("size", [1, 2, 1_000])
def test_a_byte_order_mark_is_only_removed_at_the_start(size: int) -> None:
    assert [row.names for row in read_chunks(size, "a\ufeff,texts\n1,良い\n".encode())] == [["a\ufeff", "texts"]]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_quote_closed_at_the_end_of_the_file_is_valid(ending: str) -> None:
    content = f'texts\n"a\n""b"""{ending}'.encode()
    assert [(row.text, row.error) for row in read_chunks(3, content)] == [('a\n"b"', "")]


def test_a_tsv_whose_first_column_has_no_name_is_detected() -> None:
    assert [row.text for row in read_chunks(1_000, "\ttexts\n0\t良い\n".encode())] == ["良い"]


def test_a_long_quoted_cell_of_many_lines_is_read_in_linear_time() -> None:
    cell = "行\n" * 900_000
    content = f'texts\n"{cell}"\n良い\n'.encode()
    reader = TableReader(Columns(), max_bytes=10_000_000)
    started = time.monotonic()
    rows = [row for at in range(0, len(content), 32_768) for row in reader.feed(content[at : at + 32_768])]
    rows += reader.end()
    assert [len(row.text) for row in rows] == [len(cell), 2]
    assert time.monotonic() - started < 10


def read_chunks(size: int, content: bytes, *, kind: str = "") -> list[Row]:
    """Read a file in chunks of ``size`` bytes."""
    reader = TableReader(Columns(), kind=kind, max_bytes=10_000_000)
    rows = [row for at in range(0, len(content), size) for row in reader.feed(content[at : at + size])]
    return [*rows, *reader.end()]


def test_an_error_is_raised_after_the_rows_before_it() -> None:
    reader = TableReader(Columns(), max_bytes=10_000)
    rows = reader.feed("texts\n良い\n".encode() + b"ab\xff")
    assert next(rows).text == "良い"
    with pytest.raises(FileError, match="byte 16 "):
        next(rows)
