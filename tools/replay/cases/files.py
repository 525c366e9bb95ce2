"""Requests with files of reviews, valid and invalid."""

import gzip
import json
from collections.abc import Mapping

from tools.replay.cases.texts import ODD, REVIEWS
from tools.replay.exchange import CLOSE, SMALL, Request, get, head, named, post, post_chunks

FILES = "/api/1/files"
CSV, TSV, LINES = (
    b"Content-Type: text/csv",
    b"Content-Type: text/tab-separated-values",
    b"Content-Type: application/jsonl",
)
TABLE = ("id,texts,shop\r\n" + "".join(f"{n},{text},店{n}\r\n" for n, text in enumerate(REVIEWS))).encode()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


_OBJECTS = "".join(json.dumps({"id": n, "texts": text}, ensure_ascii=False) + "\n" for n, text in enumerate(REVIEWS))
_LONGEST_ROW = 2_000_000
_ZIPPED = gzip.compress(TABLE, mtime=0)
_BOUNDARY = b"Content-Type: multipart/form-data; boundary=b"

_TABLES = {
    "line ends of one character": TABLE.replace(b"\r\n", b"\n"),
    "line ends of carriage returns": TABLE.replace(b"\r\n", b"\r"),
    "no line end at the end": TABLE.rstrip(),
    "a byte-order mark": b"\xef\xbb\xbf" + TABLE,
    "blank lines": b"\n\n" + TABLE.replace(b"\r\n", b"\r\n\r\n"),
    "quotes": 'texts\n"良い、""宿"""\n"二行に\nわたる口コミ"\n'.encode(),
    "quotes within a cell": 'texts\n良い"宿"\n'.encode(),
    "a header alone": b"id,texts\r\n",
    "a header without a line end": b"id,texts",
    "one column": b"texts\na\nb\n",
    "many rows": b"texts\n" + "".join(f"{text}\n" for text in REVIEWS * 12).encode(),
    "odd texts": b"n,texts\n" + "".join(f"{n},{_quoted(text)}\n" for n, text in enumerate(ODD.values())).encode(),
    "rows that cannot be scored": b'id,texts\n1,\n2," "\n3,a\0b\n4,' + b"a" * 10_001 + b"\n5,a good stay\n",
    "too many cells": b"id,texts\n1,a,b\n2,c\n",
    "too few cells": b"id,texts,shop\n1,a\n2\n",
    "a quote that is never closed": b'id,texts\n1,a\n2,"b\n3,c\n',
    "a quote that is never closed in the header": b'id,"texts\n1,a\n',
    "two columns of one name": b"id,id,texts\n1,2,a\n",
    "two columns of texts": b"texts,texts\na,b\n",
    "a column without a name": b",texts\n1,a\n",
    "a name in capitals": b"ID,TEXT\n1,a\n",
    "a name in full width": "番号,ｔｅｘｔ\n1,a\n".encode(),
    "a name in Japanese": "番号,口コミ\n1,良い\n".encode(),
    "several usual names": b"body,comment,text,review\na,b,c,d\n",
    "formulas": b'id,texts\n"=1+1","=HYPERLINK(""x"")"\n',
    "no column of texts": b"id,words\n1,a\n",
    "a column that is taken": b"id,texts,score\n1,a,2\n",
    "a column that is taken by errors": b"error,texts\n1,a\n",
    "nothing": b"",
    "blank lines alone": b"\r\n\n \n",
    "a byte-order mark alone": b"\xef\xbb\xbf",
    "Shift_JIS in the place of UTF-8": TABLE.decode().encode("cp932"),
    "Shift_JIS after the first rows": b"texts\n" + b"a good stay\n" * 20 + "良い\n".encode("cp932"),
    "half a character at the end": b"texts\na\n" + "良".encode()[:2],
    "a row without end": b'id,texts\n1,"' + b"a" * (_LONGEST_ROW + 1),
    "a row without end after others": b"texts\n" + b"a good stay\n" * 20 + b'"' + b"a" * (_LONGEST_ROW + 1),
    "a control character": b"texts\na\x01b\n",
    "NUL in the header": b"te\0xts\na\n",
}
_JSON_LINES = {
    "objects": _OBJECTS.encode(),
    "no line end at the end": _OBJECTS.rstrip().encode(),
    "line ends of two characters": _OBJECTS.replace("\n", "\r\n").encode(),
    "blank lines": _OBJECTS.replace("\n", "\n\n").encode(),
    "members of all kinds": b'{"texts":"a","n":1.50,"big":1234567890123456789,"l":[1,{"a":null}],"t":true,"e":1e400}\n',
    "escapes": b'{"texts":"\\u826f\\u3044","half":"\\ud83d"}\n',
    "different names": b'{"texts":"a"}\n{"texts":"b","id":2}\n{"id":3,"text":"c"}\n',
    "a row without a text": b'{"texts":"a"}\n{"id":2}\n',
    "a first row without a text": b'{"id":1}\n{"texts":"b"}\n',
    "a text of null": b'{"texts":null}\n{"texts":"b"}\n',
    "a text of another type": b'{"texts":5}\n{"texts":["a"]}\n{"texts":"b"}\n',
    "rows that are no objects": b'{"texts":"a"}\n[1]\n"a"\nnull\n{"texts"\nwords\n',
    "a name twice": b'{"texts":"a","texts":"b"}\n',
    "a name that is taken": b'{"texts":"a","score":1}\n',
    "deep arrays": b'{"texts":"a"}\n{"texts":' + b"[" * 100_000 + b"\n",
    "half a surrogate pair": b'{"texts":"a\\ud800"}\n',
    "NUL": b'{"texts":"a\\u0000b"}\n',
    "a byte-order mark": b'\xef\xbb\xbf{"texts":"a"}\n',
    "NaN": b'{"texts":"a","n":NaN}\n',
    "nothing": b"",
    "a row without end": b'{"texts":"' + b"a" * (_LONGEST_ROW + 1),
    "bytes that are no UTF-8": b'{"texts":"a"}\n{"texts":"\xff"}\n',
}
_GUESSED = {
    "a table with commas": TABLE,
    "a table with tabs": TABLE.replace(b",", b"\t"),
    "objects": _OBJECTS.encode(),
    "objects after white space": b"\n  " + _OBJECTS.encode(),
    "gzip": _ZIPPED,
    "one line": b"texts",
    "more than is looked at for its kind": b"texts" + b" " * 40_000 + b"\na\n",
}
_TYPES = {
    "application/octet-stream": TABLE,
    "application/gzip": _ZIPPED,
    "application/vnd.ms-excel": TABLE,
    "application/x-www-form-urlencoded": TABLE,
    "text/plain": TABLE,
    "application/csv": TABLE,
    "TEXT/CSV": TABLE,
    "text/csv; header=present": TABLE,
    "application/x-ndjson": _OBJECTS.encode(),
    "application/json-lines": _OBJECTS.encode(),
    "application/json": SMALL,
    "application/pdf": b"%PDF-1.7",
    "application/zip": b"PK\x03\x04",
    "image/png": b"\x89PNG",
    "nonsense": TABLE,
    "text/csv; charset=utf-16": TABLE,
    "text/csv; charset=latin-1": TABLE,
    "text/csv; charset=": TABLE,
}
_GZIP = {
    "whole": _ZIPPED,
    "of several members": gzip.compress(TABLE[:50], mtime=0) + gzip.compress(TABLE[50:], mtime=0),
    "with noughts after it": _ZIPPED + bytes(100),
    "cut off": _ZIPPED[:-12],
    "cut off within its head": _ZIPPED[:3],
    "damaged": _ZIPPED[:40] + b"\xff" * 8 + _ZIPPED[48:],
    "damaged in its sum": _ZIPPED[:-8] + bytes(8),
    "with bytes after it": _ZIPPED + b"texts\n",
    "of nothing": gzip.compress(b"", mtime=0),
    "its first byte alone": _ZIPPED[:1],
    "damaged after the first rows": gzip.compress(b"texts\n" + b"a good stay\n" * 20, mtime=0) + b"\x1f\x8b\xff",
}


def files() -> list[Request]:
    """Return requests with files as the body."""
    tabs = {name: content.replace(b",", b"\t") for name, content in _TABLES.items() if len(content) < 5_000}
    return [
        *named({name: post(FILES, content, CSV) for name, content in _TABLES.items()}, "CSV: "),
        *named({name: post(FILES, content, TSV) for name, content in tabs.items()}, "TSV: "),
        *named({name: post(FILES, content, LINES) for name, content in _JSON_LINES.items()}, "JSON Lines: "),
        *named({name: post(FILES, content) for name, content in _GUESSED.items()}, "file of no type: "),
        *named({name: post(FILES, content, CSV) for name, content in _GZIP.items()}, "gzip "),
        *named(
            {media: post(FILES, content, b"Content-Type: " + media.encode()) for media, content in _TYPES.items()},
            "file of the type ",
        ),
        *_asked(),
        *_forms(),
        *_framed(),
    ]


def _asked() -> list[Request]:
    words = b"id,words,score\n1,a good stay,9\n"
    japanese = "番号,感想\n1,部屋が広い\n2,駅から遠い\n"
    sent = {
        "a column": post(f"{FILES}?text=words&prefix=p_", words, CSV),
        "a column that is not there": post(f"{FILES}?text=word", words, CSV),
        "a column in other capitals": post(f"{FILES}?text=WORDS&prefix=p_", words, CSV),
        "an empty column": post(f"{FILES}?text=", TABLE, CSV),
        "a column of objects": post(f"{FILES}?text=w", b'{"w":"a"}\n{"w":"b","texts":"c"}\n', LINES),
        "a prefix": post(f"{FILES}?prefix=%E4%BA%88%E6%B8%AC_", TABLE, CSV),
        "a prefix that is taken": post(f"{FILES}?prefix=p_", b"texts,p_error\na,b\n", CSV),
        "a prefix for objects": post(f"{FILES}?prefix=p_", b'{"texts":"a","score":1}\n', LINES),
        "a prefix twice": post(f"{FILES}?prefix=a_&prefix=b_", TABLE, CSV),
        "a query that is no UTF-8": post(f"{FILES}?prefix=%ff", TABLE, CSV),
        "Shift_JIS": post(f"{FILES}?charset=shift_jis", japanese.encode("cp932"), CSV),
        "Shift_JIS of Windows": post(f"{FILES}?charset=windows-31j", "感想\n①髙い\n".encode("cp932"), CSV),
        "EUC-JP": post(f"{FILES}?charset=euc-jp", japanese.encode("euc-jp"), CSV),
        "EUC-JP by its type": post(FILES, japanese.encode("euc-jp"), CSV + b"; charset=EUC-JP"),
        "a charset in quotes": post(FILES, japanese.encode("cp932"), CSV + b'; charset="Shift_JIS"'),
        "UTF-8 by another name": post(f"{FILES}?charset=UTF_8", japanese.encode(), CSV),
        "a charset against the type": post(f"{FILES}?charset=utf-8", TABLE, CSV + b"; charset=latin-1"),
        "a charset that is not read": post(f"{FILES}?charset=iso-2022-jp", TABLE, CSV),
        "a charset that there is not": post(f"{FILES}?charset=%00", TABLE, CSV),
        "Shift_JIS that is none": post(f"{FILES}?charset=shift_jis", b"texts\n\x81\xff\n", CSV),
        "objects in Shift_JIS": post(
            f"{FILES}?charset=shift_jis", '{"texts":"良い"}\n'.encode("cp932"), b"Content-Type: application/x-ndjson"
        ),
    }
    return named(sent, "file asked for with ")


def _form(*parts: tuple[bytes, bytes], end: bytes = b"--b--\r\n") -> bytes:
    return b"".join([b"--b\r\n" + fields + b"\r\n\r\n" + content + b"\r\n" for fields, content in parts]) + end


def _named(name: bytes, file: bytes = b"", media: bytes = b"") -> bytes:
    fields = b"Content-Disposition: form-data; name=" + name
    return fields + (file and b'; filename="' + file + b'"') + (media and b"\r\nContent-Type: " + media)


def _forms() -> list[Request]:
    table = (_named(b"file", b"a.csv", b"text/csv"), TABLE)
    forms = {
        "a file": _form(table),
        "a file after a field": _form((_named(b"other"), b"x"), table),
        "two files": _form(table, (_named(b"file", b"b.csv"), b"texts\nb\n")),
        "a field called file": _form((_named(b"file"), TABLE)),
        "a file of another field": _form((_named(b"x", b"a.tsv"), TABLE.replace(b",", b"\t"))),
        "a file of objects": _form((_named(b"file", b"a.jsonl"), _OBJECTS.encode())),
        "a file whose name says more than its type": _form(
            (_named(b"file", b"a.ndjson", b"text/csv"), _OBJECTS.encode())
        ),
        "a gzipped file": _form((_named(b"file", b"a.csv.gz", b"application/gzip"), _ZIPPED)),
        "a file in Shift_JIS": _form(
            (_named(b"file", b"a.csv", b"text/csv; charset=shift_jis"), "感想\n良い\n".encode("cp932"))
        ),
        "a file that is not read": _form((_named(b"file", b"a.pdf", b"application/pdf"), b"%PDF")),
        "an empty file": _form((_named(b"file", b"a.csv"), b"")),
        "no file": _form((_named(b"texts"), b"a")),
        "no part": b"--b--\r\n",
        "nothing": b"",
        "no end": _form(table, end=b""),
        "no end after the first rows": _form((_named(b"file", b"a.csv"), b"texts\n" + b"a good stay\n" * 20), end=b""),
        "another boundary": _form(table).replace(b"--b", b"--c"),
        "a name that is no UTF-8": _form((_named(b"file", "口コミ.csv".encode("cp932")), TABLE)),
        "a name in UTF-8": _form((_named(b"file", "口コミ.csv".encode()), TABLE)),
        "a part without a name": _form((b"Content-Type: text/csv", TABLE)),
        "a part without fields": b"--b\r\n\r\ntexts\r\na\r\n--b--\r\n",
        "a long field": _form((_named(b"other"), b"x" * 200_000), table),
    }
    sent = {name: post(FILES, content, _BOUNDARY) for name, content in forms.items()}
    sent["no boundary"] = post(FILES, _form(table), b"Content-Type: multipart/form-data")
    sent["another type"] = post(FILES, _form(table), b"Content-Type: multipart/mixed; boundary=b")
    sent["chunks"] = post_chunks(FILES, _form(table)[:99], _form(table)[99:], fields=(_BOUNDARY,))
    return named(sent, "form with ")


def _framed() -> list[Request]:
    """Return requests with chunked, compressed or delayed bodies."""
    rows = [b"texts\n", *[f"{text}\n".encode() for text in REVIEWS]]
    sent: Mapping[str, bytes] = {
        "chunks": post_chunks(FILES, *rows, fields=(CSV,)),
        "chunks of single bytes": post_chunks(FILES, *[TABLE[at : at + 1] for at in range(len(TABLE))], fields=(CSV,)),
        "gzip in chunks": post_chunks(FILES, _ZIPPED[:1], _ZIPPED[1:30], _ZIPPED[30:], fields=(CSV,)),
        "a content coding": post(FILES, _ZIPPED, CSV, b"Content-Encoding: gzip"),
        "HTTP/1.0": head("POST", FILES, CSV, b"Content-Length: %d" % len(TABLE), version=b"1.0") + TABLE,
        "no length": head("POST", FILES, CSV, CLOSE),
        "a length beyond all": head("POST", FILES, CSV, b"Content-Length: 9000000000000", CLOSE),
        "a further request": post(FILES, TABLE, CSV, last=False) + get("/healthz"),
        "a further request after a refusal": post(FILES, b"", CSV, last=False) + get("/healthz"),
        "a chunk that is none": head("POST", FILES, CSV, b"Transfer-Encoding: chunked") + b"6\r\ntexts\n\r\nzz\r\n",
    }
    waiting = head("POST", FILES, CSV, b"Expect: 100-continue", b"Content-Length: %d" % len(TABLE), CLOSE)
    return [
        *named(sent, "file in "),
        Request(name="file that waits for a word", steps=(waiting, TABLE)),
        Request(name="file that ends early", steps=(post(FILES, TABLE, CSV)[: 20 - len(TABLE)],), cut=True),
    ]


def held(rows: int = 9) -> bytes:
    """Return the start of a file, long enough for the response to begin."""
    start = b"texts\n" + b"a good stay\n" * rows
    return head("POST", FILES, CSV, b"Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(start), start)
