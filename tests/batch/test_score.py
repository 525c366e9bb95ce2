"""Batch scoring on one machine: all formats, atomic outputs, and an error message for everything without a score."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from review_scorer.batch import score
from review_scorer.scoring.bundle import load
from tests.support.running import ROOT, Server, peak_memory

TEXTS = ["とても良い、\n「また」買う", "すぐ壊れた", "ふつう"]
ADDED = ["score", "interval_low", "interval_high", "error"]


def delimited(path: Path, delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["id", "texts"], *enumerate(TEXTS)])


def json_lines(path: Path) -> None:
    lines = [json.dumps({"id": number, "texts": text}) for number, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines), encoding="utf-8")


def directory(path: Path) -> None:
    path.mkdir()
    for number, text in enumerate(TEXTS):
        (path / f"{number}.json").write_text(json.dumps({"id": number, "texts": text}), encoding="utf-8")


def parquet(path: Path) -> None:
    ids = pa.array(range(len(TEXTS)), pa.int16())
    pyarrow.parquet.write_table(pa.table({"id": ids, "texts": TEXTS}), path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "reviews.csv": delimited,
    "reviews.tsv": lambda path: delimited(path, "\t"),
    "reviews.jsonl": json_lines,
    "reviews.ndjson": json_lines,
    "reviews.parquet": parquet,
    "reviews": directory,
}
KINDS = {"csv", "tsv", "jsonl", "parquet"}


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of an output; empty cells are None."""
    if path.name.endswith(".parquet"):
        return list(pyarrow.parquet.read_table(path).to_pylist())
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if ".tsv" in path.name else ",")
    return [{name: value or None for name, value in row.items()} for row in rows]


def outputs(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """A function that runs the command in this process, with one worker."""

    def run(*arguments: object) -> int:
        options = ["--bundle", tiny_bundle, "--out", tmp_path / "out", "--workers", "1"]
        return score.main([str(each) for each in [*options, *arguments]])

    return run


def command(bundle: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "review_scorer.batch.score", "--bundle", str(bundle), *arguments]


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_keeps_its_format_and_gets_the_scores_of_the_service(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, name: str, *, zipped: bool
) -> None:
    source = tmp_path / name
    WRITERS[name](source)
    if zipped and source.is_file():
        source = source.with_name(f"{name}.gz")
        source.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert run(source) == 0
    (output,) = (tmp_path / "out").iterdir()
    kind = {"ndjson": "jsonl", "reviews": "jsonl"}.get(ending := name.rpartition(".")[2], ending)
    assert output.name == f"reviews.scored.{kind}" + (".gz" if zipped and kind != "parquet" and "." in name else "")
    rows = rows_of(output)
    assert [list(row) for row in rows] == [["id", "texts", *ADDED]] * 3
    assert [row["texts"] for row in rows] == TEXTS
    assert [int(row["id"]) for row in rows] == [0, 1, 2]
    scorer = load(tiny_bundle).scorer
    for row, expected in zip(rows, scorer.predict_many(TEXTS), strict=True):
        assert float(row["score"]) == pytest.approx(expected.score, abs=1e-9, rel=0)
        assert float(row["interval_low"]) == pytest.approx(expected.interval[0], abs=1e-9, rel=0)
        assert float(row["interval_high"]) == pytest.approx(expected.interval[1], abs=1e-9, rel=0)
        assert row["error"] is None


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl", "reviews.parquet"])
def test_any_format_can_be_converted_to_any_other(
    run: Callable[..., int], tmp_path: Path, name: str, kind: str
) -> None:
    WRITERS[name](tmp_path / name)
    assert run(tmp_path / name, "--format", kind) == 0
    rows = rows_of(tmp_path / "out" / f"reviews.scored.{kind}")
    assert [row["texts"] for row in rows] == TEXTS
    assert all(float(row["score"]) >= 1 for row in rows)


def test_parquet_keeps_the_types_of_its_columns(run: Callable[..., int], tmp_path: Path) -> None:
    parquet(tmp_path / "reviews.parquet")
    assert run(tmp_path / "reviews.parquet") == 0
    schema = pyarrow.parquet.read_schema(tmp_path / "out" / "reviews.scored.parquet")
    assert schema.field("id").type == pa.int16()
    assert [schema.field(name).type for name in ADDED] == [pa.float64()] * 3 + [pa.string()]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_values_of_any_type_can_be_written_in_any_format(run: Callable[..., int], tmp_path: Path, kind: str) -> None:
    nested = [{"day": date(2024, 1, 2), "raw": b"\xff", "parts": [Decimal("1.20")]}]
    table = pa.table({"texts": TEXTS[:1], "more": nested, "when": [datetime(2024, 1, 2, tzinfo=UTC)]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert run(tmp_path / "a.parquet", "--format", kind) == 0
    (row,) = rows_of(tmp_path / "out" / f"a.scored.{kind}")
    assert "2024-01-02" in str(row["when"])
    if kind in {"csv", "tsv"}:
        assert json.loads(row["more"])["day"] == "2024-01-02"


@pytest.mark.parametrize("kind", sorted(KINDS - {"parquet"}))
def test_a_lone_surrogate_in_json_affects_only_its_row(run: Callable[..., int], tmp_path: Path, kind: str) -> None:
    lines = [r'{"texts": "良い", "x": "\ud800"}', r'{"texts": "\ud800", "x": "b"}', '{"texts": "悪い", "x": "c"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert run(tmp_path / "a.jsonl", "--format", kind) == 0
    rows = rows_of(tmp_path / "out" / f"a.scored.{kind}")
    assert [bool(row["error"]) for row in rows] == [False, True, False]


def test_a_lone_surrogate_that_parquet_cannot_encode_fails_only_its_file(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"texts": "良い", "x": "\ud800"}', encoding="utf-8")
    delimited(tmp_path / "next.csv")
    assert run(tmp_path / "a.jsonl", tmp_path / "next.csv", "--format", "parquet") == 1
    assert "a.jsonl: a column has values that do not fit its type" in capsys.readouterr().err
    assert outputs(tmp_path / "out") == {"next.scored.parquet"}


def test_duplicate_columns_are_kept_or_refused(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("texts,tag,tag\n良い,x,y\n", encoding="utf-8")
    assert run(tmp_path / "a.csv") == 0
    assert (tmp_path / "out" / "a.scored.csv").read_text(encoding="utf-8").startswith("texts,tag,tag,score,")
    for kind in ("jsonl", "parquet"):
        assert run(tmp_path / "a.csv", "--format", kind) == 1
        assert "two columns are named 'tag'" in capsys.readouterr().err


def test_json_lines_converted_from_a_table_with_a_byte_order_mark_have_none(
    run: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("\ufefftexts\n良い\n", encoding="utf-8")
    assert run(tmp_path / "a.csv", "--format", "jsonl") == 0
    assert rows_of(tmp_path / "out" / "a.scored.jsonl")[0]["texts"] == "良い"


def test_the_command_and_the_service_give_the_same_bytes(
    run: Callable[..., int], server: Server, tmp_path: Path
) -> None:
    delimited(tmp_path / "reviews.csv")
    assert run(tmp_path / "reviews.csv") == 0
    answer = server.client.post("/api/1/files", content=(tmp_path / "reviews.csv").read_bytes())
    assert answer.content == (tmp_path / "out" / "reviews.scored.csv").read_bytes()


def test_two_processes_give_the_output_of_one(run: Callable[..., int], tiny_corpus: Path, tmp_path: Path) -> None:
    for workers in "12":
        assert run(tiny_corpus, "--workers", workers, "--out", tmp_path / workers) == 0
    one, two = (next((tmp_path / workers).iterdir()) for workers in "12")
    assert one.read_bytes() == two.read_bytes()
    assert len(rows_of(one)) > 600


def test_rows_without_a_score_keep_their_position_and_are_listed(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ['{"text": "良い"}', "nonsense", '{"text": ""}', '{"text": 5}', '{"text": "悪い"}']
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert run(tmp_path / "mixed.jsonl") == 0
    rows = rows_of(tmp_path / "out" / "mixed.scored.jsonl")
    assert [row["error"] and row["error"].partition(":")[0] for row in rows] == [
        None,
        "row_not_json",
        "text_empty",
        "text_type",
        None,
    ]
    with (tmp_path / "out" / "mixed.jsonl.rejects.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(row["source"], row["row"]) for row in listed] == [
        (str(tmp_path / "mixed.jsonl"), str(n)) for n in (2, 3, 4)
    ]
    assert listed[1]["reason"] == rows[2]["error"]
    assert "5 rows, 3 without a score, listed in " in capsys.readouterr().err
    (tmp_path / "mixed.jsonl").write_text(lines[0], encoding="utf-8")
    assert run(tmp_path / "mixed.jsonl") == 0
    assert outputs(tmp_path / "out") == {"mixed.scored.jsonl"}, "the rejects of an earlier run must be deleted"


def test_a_row_with_columns_that_the_first_row_lacks_gets_an_error(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "良い"}\n{"text": "良い", "more": 1}\n', encoding="utf-8")
    for kind in ("csv", "parquet"):
        assert run(tmp_path / "a.jsonl", "--format", kind) == 0
        rows = rows_of(tmp_path / "out" / f"a.scored.{kind}")
        assert rows[0]["error"] is None
        assert rows[1]["error"] == "row_names: the first row has no more"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv.gz", gzip.compress(b"texts\n" + "良い\n".encode() * 9_999)[:60], "the gzip data ends too early"),
        ("a.csv", "texts\n良い\n".encode() + "良い\n".encode("cp932"), "byte 14 of the file is not utf-8"),
        ("a.csv", b"id,stars\n1,5\n", "no column for the text; it has id, stars"),
        ("a.csv", b"texts,score\nx,5\n", "the file already has a column score"),
        ("a.csv", b"", "the file is empty"),
        ("a.parquet", b"no parquet", "magic bytes"),
        ("a.parquet.gz", gzip.compress(b"")[:10] + b"\xff" * 20, "while decompressing data"),
        ("a.xlsx", b"PK", "unknown format; supported are .csv"),
        ("a.jsonl", None, "No such file"),
    ],
)
def test_the_error_names_a_file_that_cannot_be_read_and_there_is_no_output(
    run: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    delimited(tmp_path / "next.csv")
    assert run(tmp_path / name, tmp_path / "next.csv") == 1
    (complaint,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("score: ")]
    assert complaint.startswith(f"score: {tmp_path / name}: ")
    assert words in complaint
    assert outputs(tmp_path / "out") == {"next.scored.csv"}, "the next file must be scored"


def test_a_failure_keeps_an_earlier_output(run: Callable[..., int], tmp_path: Path) -> None:
    source, output = tmp_path / "a.csv", tmp_path / "out" / "a.scored.csv"
    delimited(source)
    assert run(source) == 0
    before = output.read_bytes()
    source.write_bytes(source.read_bytes() + b"\xff")
    assert run(source) == 1
    assert output.read_bytes() == before
    assert outputs(tmp_path / "out") == {"a.scored.csv"}


def test_two_files_with_the_same_output_are_refused(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    for path in (tmp_path / "a.csv", tmp_path / "other" / "a.csv"):
        delimited(path)
    assert run(tmp_path / "a.csv", tmp_path / "other" / "a.csv") == 1
    assert "rename one of them" in capsys.readouterr().err


def test_outputs_are_beside_their_inputs_by_default(tiny_bundle: Path, tmp_path: Path) -> None:
    delimited(tmp_path / "reviews.2024.csv")
    assert score.main(["--bundle", str(tiny_bundle), "--workers", "1", str(tmp_path / "reviews.2024.csv")]) == 0
    assert outputs(tmp_path) == {"reviews.2024.csv", "reviews.2024.scored.csv"}


def test_the_options_set_encoding_column_and_prefix(run: Callable[..., int], tmp_path: Path) -> None:
    content = "texts,言葉,score\r\n,良い宿,4\r\n"
    (tmp_path / "a.csv").write_bytes(content.encode("cp932"))
    options = ["--encoding", "shift_jis", "--text", "言葉", "--prefix", "predicted_"]
    assert run(tmp_path / "a.csv", *options) == 0
    written = (tmp_path / "out" / "a.scored.csv").read_bytes().decode("cp932")
    assert written.startswith("texts,言葉,score,predicted_score,predicted_interval_low,")
    assert "\r\n,良い宿,4," in written


def test_without_pyarrow_parquet_is_refused_with_a_one_line_error(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delimited(tmp_path / "a.csv")
    parquet(tmp_path / "b.parquet")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(tmp_path / "a.csv", "--format", "parquet") == 1
    assert run(tmp_path / "b.parquet", "--format", "csv") == 1
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert all("needs the package pyarrow; install requirements/training.txt" in line for line in complaints)


def test_without_tqdm_there_is_no_progress_bar(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delimited(tmp_path / "a.csv")
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert run(tmp_path / "a.csv") == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-", "--bundle", "nowhere"], 1, "score: no bundle at nowhere"),
        (["-", "--format", "parquet"], 1, "Parquet cannot be written to a pipe"),
        (["-", "--encoding", "klingon"], 1, "'klingon'"),
        (["-", "--workers", "0"], 2, "'0' is not a number of processes"),
        (["-", "--format", "xlsx"], 2, "invalid choice"),
        ([], 2, "FILE"),
    ],
)
def test_invalid_options_are_refused(tiny_bundle: Path, arguments: list[str], status: int, words: str) -> None:
    done = subprocess.run(
        command(tiny_bundle, *arguments), cwd=ROOT, input=b"", capture_output=True, check=False, timeout=60
    )
    assert done.returncode == status
    assert words in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_pipe_gets_the_scores_and_standard_error_the_rejects(tiny_bundle: Path, kind: str) -> None:
    given = {"csv": 'texts\n良い\n""\n', "jsonl": '{"texts": "良い"}\n{"texts": ""}\n'}[kind]
    for sent in (given.encode(), gzip.compress(given.encode())):
        done = subprocess.run(
            command(tiny_bundle, "-", "--workers", "1"),
            cwd=ROOT,
            input=sent,
            capture_output=True,
            check=True,
            timeout=60,
        )
        lines = done.stdout.decode().splitlines()
        assert len(lines) == {"csv": 3, "jsonl": 2}[kind]
        assert "良い" in lines[-2]
        assert "-,2,text_empty: " in done.stderr.decode()


def test_a_closed_output_pipe_ends_the_command_silently(tiny_bundle: Path) -> None:
    """As with ``| head -1``: no message and no stack trace."""
    with subprocess.Popen(
        command(tiny_bundle, "-", "--workers", "1"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"texts\n" + "良い\n".encode() * 1_000)
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        try:
            process.stdin.write(b"texts\n" + "良い\n".encode() * 100_000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(timeout=30) == 1
        assert process.stderr.read() == b""


def test_memory_does_not_grow_with_the_length_of_a_pipe(tiny_bundle: Path) -> None:
    """Most of the data is another column, which is only copied, so the test is fast."""
    row = ("良い," + "x" * 10_000 + "\r\n").encode()
    with subprocess.Popen(
        command(tiny_bundle, "-", "--workers", "2"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin
        assert process.stdout

        def pass_through(count: int) -> int:
            assert process.stdin
            assert process.stdout
            for _ in range(count):
                process.stdin.write(row)
                process.stdin.flush()
            return peak_memory(process.pid)

        reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        process.stdin.write(b"texts,x\r\n")
        before = pass_through(1_000)
        after = pass_through(12_000)
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        process.stdout.close()
        assert reader.wait(timeout=10) == 0
        assert after - before < 64 * 2**20


def test_an_interrupt_leaves_no_processes_and_no_outputs(tiny_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "long.csv"
    source.write_text("texts\n" + "良い宿です。また来ます\n" * 2_000_000, encoding="utf-8")
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(tiny_bundle, str(source), "--out", str(out), "--workers", "2"),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (out.is_dir() and any("scored" in path.name and path.stat().st_size for path in out.iterdir())):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert outputs(out) == set()
    # The resource tracker of multiprocessing ends a moment after the other processes.
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while True:
            os.killpg(process.pid, 0)
            assert time.monotonic() < deadline, "a process is still running"
            time.sleep(0.05)
