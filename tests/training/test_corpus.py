"""Corpora in all supported formats are read; invalid rows are listed with a reason."""

import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import expand
from review_scorer.corpora.reviews import Corpus, Layout, Review, read, write_rejects

ROWS = [("5", "とても良い、\n「また」買う"), ("1.0", "すぐ壊れた"), ("３", "ふつう")]
REVIEWS = [Review(text, stars) for (_, text), stars in zip(ROWS, (5.0, 1.0, 3.0), strict=True)]


def reasons(corpus: Corpus) -> Counter[str]:
    """The number of rejects by reason."""
    return Counter(reject.reason for reject in corpus.rejects)


def delimited(path: Path, *, names: tuple[str, str], delimiter: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([names, *ROWS])


def json_lines(path: Path) -> None:
    rows = [{"review_id": 1, "stars": points, "review_body": text} for points, text in ROWS]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")


def directory(path: Path) -> None:
    path.mkdir()
    for index, (points, text) in enumerate(ROWS):
        (path / f"{index}.json").write_text(json.dumps({"point": points, "text": text}), encoding="utf-8")


def parquet(path: Path) -> None:
    columns = {"star_rating": [review.stars for review in REVIEWS], "text": [review.text for review in REVIEWS]}
    pyarrow.parquet.write_table(pa.table(columns), path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "points.csv": lambda path: delimited(path, names=("points", "texts")),
    "bom.csv": lambda path: delimited(path, names=("points", "texts"), encoding="utf-8-sig"),
    "rating.tsv": lambda path: delimited(path, names=("rating", "review"), delimiter="\t"),
    "amazon.jsonl": json_lines,
    "amazon.json": json_lines,
    "crawled": directory,
    "reviews.parquet": parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_reviews(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    corpus = read([tmp_path / name], Layout())
    assert corpus.reviews == REVIEWS
    assert corpus.rejects == []


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "crawled"])
def test_every_format_may_be_gzipped(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    zipped = tmp_path / f"{name}.gz"
    zipped.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert read([zipped], Layout()).reviews == REVIEWS


def test_files_of_a_directory_may_be_gzipped(tmp_path: Path) -> None:
    directory(tmp_path / "crawled")
    for file in (tmp_path / "crawled").iterdir():
        file.with_suffix(".json.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert read([tmp_path / "crawled"], Layout()).reviews == REVIEWS


def test_a_file_of_a_directory_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    directory(tmp_path / "crawled")
    for file in (tmp_path / "crawled").iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read([tmp_path / "crawled"], Layout()).reviews == REVIEWS


def test_a_damaged_file_of_a_directory_is_a_reject(tmp_path: Path) -> None:
    directory(tmp_path / "crawled")
    broken = bytearray(gzip.compress(bytes(range(256)) * 9))
    broken[12:20] = b"\xff" * 8  # in the deflated data, not in the gzip header
    (tmp_path / "crawled" / "0a.json.gz").write_bytes(broken)
    corpus = read([tmp_path / "crawled"], Layout())
    assert corpus.reviews == REVIEWS
    (reject,) = corpus.rejects
    assert reject.row == 2
    assert "0a.json.gz cannot be read" in reject.reason


def test_a_file_of_a_directory_in_another_encoding_is_a_reject(tmp_path: Path) -> None:
    directory(tmp_path / "crawled")
    for file in (tmp_path / "crawled").iterdir():
        file.write_text(file.read_text(encoding="utf-8"), encoding="utf-16")
    (tmp_path / "crawled" / "odd.json").write_bytes(b"odd")
    corpus = read([tmp_path / "crawled"], Layout(encoding="utf-16"))
    assert corpus.reviews == REVIEWS
    assert [reject.row for reject in corpus.rejects] == [4]


def test_the_error_names_an_unknown_encoding_of_a_directory(tmp_path: Path) -> None:
    directory(tmp_path / "crawled")
    with pytest.raises(CorpusError, match="unknown encoding: nonsense"):
        read([tmp_path / "crawled"], Layout(encoding="nonsense"))


def test_a_named_encoding_is_used(tmp_path: Path) -> None:
    delimited(tmp_path / "sjis.csv", names=("points", "texts"), encoding="cp932")
    assert read([tmp_path / "sjis.csv"], Layout(encoding="cp932")).reviews == REVIEWS


def test_rows_that_are_not_in_the_encoding_are_rejects(tmp_path: Path) -> None:
    delimited(tmp_path / "sjis.csv", names=("points", "texts"), encoding="cp932")
    corpus = read([tmp_path / "sjis.csv"], Layout())
    assert not any("�" in review.text for review in corpus.reviews)
    assert reasons(corpus)["text is not in the encoding"] >= 2


def test_a_rating_scale_is_mapped_to_stars(tmp_path: Path) -> None:
    (tmp_path / "ten.csv").write_text("score,text\n0,悪い\n5,普通\n10,良い\n11,外\n", encoding="utf-8")
    corpus = read([tmp_path / "ten.csv"], Layout(scale=(0, 10)))
    assert [review.stars for review in corpus.reviews] == [1, 3, 5]
    assert reasons(corpus) == {"stars out of range": 1}


def test_named_columns_are_used(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("評価,感想,店,text\n4,良い店,甲,x\n", encoding="utf-8")
    layout = Layout(text_column="感想", stars_column="評価", group_column="店")
    assert read([tmp_path / "own.csv"], layout).reviews == [Review("良い店", 4.0, "甲")]


@pytest.mark.parametrize("column", ["text", "stars", "group"])
def test_the_error_for_a_missing_column_lists_the_columns_of_the_file(column: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n4,良い\n", encoding="utf-8")
    layout = replace(Layout(text_column="b", stars_column="a", group_column="a"), **{f"{column}_column": "店"})  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match=rf"no column for the {column}.*it has a, b; name it with --{column}-column"):
        read([tmp_path / "own.csv"], layout)


def test_rows_that_are_no_reviews_are_rejects_with_a_reason(tmp_path: Path) -> None:
    lines = [
        '{"stars": 5, "text": "良い"}',
        '{"stars": "five", "text": "星が文字"}',
        '{"stars": null, "text": "星がない"}',
        '{"stars": NaN, "text": "数でない"}',
        '{"stars": true, "text": "真偽"}',
        '{"stars": 0, "text": "零"}',
        '{"stars": 3, "text": "  "}',
        '{"stars": 3}',
        '{"stars": 3, "text": 3}',
        '{"stars": 3, "text": "a\\u0000b"}',
        '{"stars": 3, "text": "a\\ud800b"}',
        "[1, 2]",
        "not json",
        "",
        '{"stars": 5, "text": "良い"}',
        '{"stars": 4, "text": "良い"}',
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    corpus = read([path], Layout())
    assert corpus.reviews == [Review("良い", 5.0), Review("良い", 4.0)]
    assert corpus.duplicates == 1
    assert reasons(corpus) == {
        "stars unreadable": 3,
        "stars missing": 1,
        "stars out of range": 1,
        "text missing": 3,
        "text has a NUL character": 1,
        "text is not in the encoding": 1,
        "row is not a JSON object": 1,
        "row is not JSON": 1,
    }
    write_rejects(corpus.rejects, tmp_path / "rejects.csv")
    with (tmp_path / "rejects.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 12
    assert (listed[0]["source"], listed[0]["row"], listed[0]["excerpt"]) == (str(path), "2", "星が文字")


def test_a_row_with_too_many_cells_is_a_reject(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("points,texts\n5,良い,のに\n4,良い\n3\n", encoding="utf-8")
    corpus = read([tmp_path / "cells.csv"], Layout())
    assert corpus.reviews == [Review("良い", 4.0)]
    assert reasons(corpus) == {"row has more cells than the header": 1, "text missing": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("reviews.xlsx", b"PK", "unknown format"),
        ("reviews.csv.gz", gzip.compress(b"points,texts\n" + b"5,x\n" * 9999)[:12], "cannot read"),
        ("reviews.parquet", b"not parquet", "cannot read"),
        ("reviews.csv", b'points,texts\n5,"' + b"x" * 10_000_001, "field larger"),
    ],
)
def test_the_error_names_a_file_that_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message) as refused:
        read([tmp_path / name], Layout())
    assert name in str(refused.value)


def test_a_truncated_file_gives_its_complete_rows_and_one_reject(tmp_path: Path) -> None:
    whole = "points,texts\n" + "".join(f"5,{number} 番目の品です\n" for number in range(5_000))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(whole.encode())[:-2_000])
    corpus = read([tmp_path / "cut.csv.gz"], Layout())
    assert len(corpus.reviews) > 1_000
    assert corpus.reviews[-1].text == f"{len(corpus.reviews) - 1} 番目の品です"
    (broken,) = corpus.rejects
    assert broken.row == len(corpus.reviews) + 1
    assert "cut.csv.gz: Compressed file ended" in broken.reason


def test_the_error_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.csv: No such file"):
        read([tmp_path / "none.csv"], Layout())
    with pytest.raises(CorpusError, match=r"no \.json files"):
        read([tmp_path], Layout())


def test_the_error_names_an_unknown_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("points,texts\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="utf-99"):
        read([tmp_path / "a.csv"], Layout(encoding="utf-99"))


def test_the_error_for_a_url_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(CorpusError, match=r"cannot access gs://bucket/\*\.csv: .*gcsfs.*gs:// also `gs`"):
        expand("gs://bucket/*.csv")


def test_urls_without_the_package_for_urls_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(CorpusError, match="extra `training`"):
        expand("file:///reviews.csv")
