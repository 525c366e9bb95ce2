"""Batch scoring on a Dask cluster of two worker processes: the output of one machine, and reruns that skip it."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from distributed import Client, LocalCluster

from review_scorer.batch import score
from review_scorer.batch.jobs import run_job
from tests.support.running import ROOT

pytestmark = pytest.mark.filterwarnings("default")  # Dask and its event loops emit their own

PART = 40
INVALID = {7: "", 50: "\0", 51: " ", 130: "　"}
"""Texts without a score, by their row from 0."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.fixture
def run(cluster: LocalCluster, tiny_bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """A function that runs the command on the cluster, with partitions of ``PART`` rows."""

    def run(*arguments: object) -> int:
        options = ["--scheduler", cluster.scheduler_address, "--bundle", tiny_bundle, "--out", tmp_path / "out"]
        return score.main([str(each) for each in [*options, "--partition-rows", PART, *arguments]])

    return run


@pytest.fixture
def alone(tiny_bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """A function that runs the command on one machine."""

    def run(*arguments: object) -> int:
        options = ["--bundle", tiny_bundle, "--out", tmp_path / "alone", "--workers", "1"]
        return score.main([str(each) for each in [*options, *arguments]])

    return run


@pytest.fixture(scope="module")
def texts(reviews: list[dict[str, str]]) -> list[str]:
    """170 reviews, some with line ends and quotes, some without a score."""
    found = [review["texts"] for review in reviews[:170]]
    found[3::10] = [text.replace("。", "。\n「", 1) + '」"' for text in found[3::10]]
    return [INVALID.get(number, text) for number, text in enumerate(found)]


def table(texts: list[str], *, end: str = "\r\n", head: str = "id,texts") -> str:
    file = io.StringIO(newline="")
    file.write(head + end)
    csv.writer(file, lineterminator=end).writerows(enumerate(texts))
    return file.getvalue()


def delimited(path: Path, texts: list[str]) -> None:
    path.write_text(table(texts), encoding="utf-8", newline="")


def marked(path: Path, texts: list[str]) -> None:
    blank_lines = table(texts, end="\n", head='"id\n",texts').replace("\n9", "\n\n\n9").replace("\n20,", "\n20,x,")
    path.write_text(blank_lines, encoding="utf-8-sig", newline="")


def shift_jis(path: Path, texts: list[str]) -> None:
    path.write_text(table(texts, end="\r"), encoding="cp932", errors="replace", newline="")


def json_lines(path: Path, texts: list[str]) -> None:
    lines = [json.dumps({"texts": text, "id": number}, ensure_ascii=False) for number, text in enumerate(texts)]
    lines[45] = "nonsense"
    lines[PART] = '{"id": 3}'
    path.write_text("\n\n".join(lines), encoding="utf-8")


def parquet(path: Path, texts: list[str]) -> None:
    ids = pa.array(range(len(texts)), pa.int16())
    pyarrow.parquet.write_table(pa.table({"id": ids, "texts": texts}), path, row_group_size=70)


def zipped(path: Path, texts: list[str]) -> None:
    path.write_bytes(gzip.compress(table(texts).encode()))


def directory(path: Path, texts: list[str]) -> None:
    path.mkdir()
    for number, text in enumerate(texts[:60]):
        (path / f"{number:03}.json").write_text(json.dumps({"texts": text}), encoding="utf-8")


WRITERS: dict[str, tuple[Callable[[Path, list[str]], None], int, list[str]]] = {
    "reviews.csv": (delimited, 5, []),
    "marked.csv": (marked, 5, []),
    "sjis.csv": (shift_jis, 5, ["--encoding", "shift_jis"]),
    "reviews.jsonl": (json_lines, 5, []),
    "reviews.parquet": (parquet, 5, []),
    "reviews.csv.gz": (zipped, 1, []),
    "reviews": (directory, 1, []),
    "table.jsonl": (json_lines, 1, ["--format", "csv"]),
}
"""The writer of each file, the number of its partitions, and its options."""


def inflated(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def joined(paths: list[Path]) -> object:
    """The content of several outputs, with the header of the first only."""
    if paths[0].suffix == ".parquet":
        return pa.concat_tables(map(pyarrow.parquet.read_table, paths)).to_pylist()
    contents = [inflated(path) for path in paths]
    if ".jsonl" in paths[0].name or len(paths) == 1:
        return b"".join(contents)
    head = contents[0][: contents[0].index(b"error\r\n") + 7]
    return head + b"".join(content.removeprefix(head) for content in contents)


def rejects(folder: Path) -> list[list[str]]:
    return [
        row
        for path in sorted(folder.glob("*.rejects.csv"))
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()[1:])
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_the_partitions_add_up_to_the_output_of_one_machine(
    run: Callable[..., int], alone: Callable[..., int], tmp_path: Path, texts: list[str], name: str
) -> None:
    write, parts, options = WRITERS[name]
    write(tmp_path / name, texts)
    assert run(tmp_path / name, *options) == 0
    assert alone(tmp_path / name, *options) == 0
    outputs = sorted((tmp_path / "out").glob("*.scored.*"))
    assert len(outputs) == parts
    assert joined(outputs) == joined(list((tmp_path / "alone").glob("*.scored.*")))
    assert rejects(tmp_path / "out") == rejects(tmp_path / "alone")
    assert len(rejects(tmp_path / "out")) >= 2
    assert {path.name[0] for path in (tmp_path / "out").rglob("*")}.isdisjoint(".")


def test_patterns_and_urls_select_files(run: Callable[..., int], tmp_path: Path, texts: list[str]) -> None:
    for number in range(3):
        delimited(tmp_path / f"reviews-{number}.csv", texts[50 * number : 50 * number + 30])
    out = f"file://{tmp_path}/by-url"
    assert run(f"file://{tmp_path}/reviews-*.csv", "--out", out) == 0
    assert run(tmp_path / "reviews-*.csv") == 0
    names = [f"reviews-{number}.scored.csv" for number in range(3)]
    for name in names:
        assert (tmp_path / "by-url" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    before = made(tmp_path / "by-url")
    assert run(f"file://{tmp_path}/reviews-*.csv", "--out", out) == 0
    assert made(tmp_path / "by-url") == before


def made(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and modification time of each file of a folder."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(folder.iterdir()) if path.is_file()
    }


def changed(before: dict[str, tuple[int, int]], folder: Path) -> set[str]:
    return {name for name, which in made(folder).items() if before.get(name) != which}


def test_a_rerun_skips_complete_outputs_unless_their_inputs_changed(
    run: Callable[..., int],
    tmp_path: Path,
    texts: list[str],
    default_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    delimited(tmp_path / "a.csv", texts)
    zipped(tmp_path / "b.csv.gz", texts[:60])
    files, out = [tmp_path / "a.csv", tmp_path / "b.csv.gz"], tmp_path / "out"
    assert run(*files) == 0
    before = made(out)
    capsys.readouterr()
    assert run(*files) == 0
    assert made(out) == before
    said = capsys.readouterr().err
    assert "170 rows, 4 without a score, in 5 of 5 parts, 5 of them already scored" in said
    assert "60 rows, 3 without a score, listed in" in said
    assert ", already scored" in said

    (out / "a.00002-of-00005.scored.csv").write_text("half")
    (out / "a.00003-of-00005.scored.csv").unlink()
    assert run(*files) == 0
    assert {name for name in changed(before, out) if "scored" in name} == {
        "a.00002-of-00005.scored.csv",
        "a.00003-of-00005.scored.csv",
    }
    assert (out / "a.00002-of-00005.scored.csv").stat().st_size > 1_000

    before, state = made(out), files[0].stat()
    delimited(files[0], [*texts[:-2], texts[-1], texts[-2]])
    os.utime(files[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert files[0].stat().st_size == state.st_size
    assert run(*files) == 0
    assert {name[0] for name in changed(before, out)} == {"a"}

    before = made(out)
    assert run(*files, "--bundle", default_bundle) == 0
    assert changed(before, out) == set(before)


def test_partitions_of_an_earlier_run_are_deleted(run: Callable[..., int], tmp_path: Path, texts: list[str]) -> None:
    delimited(tmp_path / "a.csv", texts)
    delimited(tmp_path / "b.csv", texts)
    assert run(tmp_path / "a.csv", tmp_path / "b.csv") == 0
    assert run(tmp_path / "a.csv", "--partition-rows", 100) == 0
    outputs = {path.name for path in (tmp_path / "out").glob("*.scored.csv")}
    assert outputs == {f"a.0000{n}-of-00002.scored.csv" for n in (1, 2)} | {
        f"b.0000{n}-of-00005.scored.csv" for n in range(1, 6)
    }
    assert {path.stem for path in (tmp_path / "out" / "_checkpoints").iterdir()} == outputs


def test_the_temporary_record_of_a_killed_worker_is_deleted_without_its_outputs(
    run: Callable[..., int], tmp_path: Path, texts: list[str]
) -> None:
    delimited(tmp_path / "a.csv", texts[:30])
    assert run(tmp_path / "a.csv") == 0
    record = tmp_path / "out" / "_checkpoints" / "a.scored.csv.json"
    temporary = record.with_name(f".{record.name}.x")
    temporary.write_bytes(record.read_bytes())
    assert run(tmp_path / "a.csv") == 0
    assert not temporary.exists()
    assert (tmp_path / "out" / "a.scored.csv").exists()


def test_a_killed_worker_is_replaced(
    cluster: LocalCluster,
    run: Callable[..., int],
    alone: Callable[..., int],
    tmp_path: Path,
    reviews: list[dict[str, str]],
) -> None:
    delimited(tmp_path / "a.csv", [review["texts"] for review in reviews])
    killer = threading.Thread(target=kill_worker_when, args=(cluster, tmp_path / "out", 3))
    killer.start()
    assert run(tmp_path / "a.csv", "--partition-rows", 200) == 0
    killer.join(1)
    assert not killer.is_alive()
    assert alone(tmp_path / "a.csv") == 0
    outputs = sorted((tmp_path / "out").glob("*.scored.csv"))
    assert len(outputs) > 40
    assert joined(outputs) == (tmp_path / "alone" / "a.scored.csv").read_bytes()
    assert {path.name[0] for path in (tmp_path / "out").rglob("*")} == {"a", "_"}, "a temporary file is left"


def kill_worker_when(cluster: LocalCluster, out: Path, parts: int) -> None:
    """Kill a worker once ``parts`` partitions are complete."""
    deadline = time.monotonic() + 60
    with Client(cluster.scheduler_address) as client:
        victim = next(iter(client.run(os.getpid).values()))
        while len(list(out.glob("*.scored.csv"))) < parts and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(victim, signal.SIGKILL)


def test_the_error_names_a_partition_that_cannot_be_read_and_the_others_are_kept(
    run: Callable[..., int], tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0.csv.gz").write_bytes(gzip.compress(table(texts).encode())[:3_000])
    parquet(tmp_path / "1.parquet", texts)
    (tmp_path / "1.parquet").write_bytes((tmp_path / "1.parquet").read_bytes()[:-50])
    lines = table(texts[60:110], end="\n").encode().split(b"\n")
    (tmp_path / "2.csv").write_bytes(b"\n".join([*lines[:45], "45,悪い品".encode("cp932"), *lines[45:]]))
    delimited(tmp_path / "3.csv", texts[:30])
    (tmp_path / "4.txt").touch()
    assert run(tmp_path / "?.*") == 1
    said = capsys.readouterr().err
    complaints = sorted(line.removeprefix(f"score: {tmp_path}/") for line in said.splitlines() if "score: " in line)
    assert len(complaints) == 4
    assert complaints[0].startswith("0.csv.gz: the gzip data ends too early")
    assert complaints[1].startswith("1.parquet: ")
    assert complaints[2].startswith("2.csv, part 2 of 2 (rows 41 to ")
    at = len(b"\n".join(lines[:45])) + len("\n45,") + 1
    assert f"byte {at:,} of the file is not utf-8" in complaints[2]
    assert complaints[3].startswith("4.txt: unknown format")
    assert "2.csv: 40 rows, in 1 of 2 parts" in said
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert kept == {"2.00001-of-00002.scored.csv", "3.scored.csv", "3.csv.rejects.csv", "_checkpoints"}


def test_a_partition_that_fails_is_retried(
    tiny_bundle: Path, tmp_path: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delimited(tmp_path / "a.csv", texts)
    left = ["the network is unreachable", "the network is unreachable"]

    def run(*arguments: object, **options: object) -> object:
        if left:
            raise OSError(left.pop())
        return run_job(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("review_scorer.batch.dask_driver.run_job", run)
    here = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=2, **here) as cluster:
        options = ["--scheduler", cluster.scheduler_address, "--bundle", str(tiny_bundle), "--out", str(tmp_path / "o")]
        assert score.main([str(tmp_path / "a.csv"), "--partition-rows", "40", *options]) == 0
        assert not left
        assert len(list((tmp_path / "o").glob("*.scored.csv"))) == 5
        left += ["the network is unreachable"] * 1_000
        assert score.main([str(tmp_path / "a.csv"), "--partition-rows", "90", *options]) == 1
    assert len(list((tmp_path / "o").glob("*.scored.csv"))) == 5, "earlier outputs must be kept"


def test_a_local_cluster_reports_an_error_once_and_an_interrupt_keeps_complete_outputs(
    tiny_bundle: Path, tmp_path: Path, reviews: list[dict[str, str]]
) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1 is not enough")
    delimited(tmp_path / "1.csv", [review["texts"] for review in reviews] * 5)
    options = [
        "--scheduler",
        "local",
        "--bundle",
        str(tiny_bundle),
        "--out",
        str(tmp_path / "out"),
        "--partition-rows",
        "500",
    ]
    command = [sys.executable, "-m", "review_scorer.batch.score", *options]
    done = subprocess.run(
        [*command, str(tmp_path / "0.parquet")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    running = subprocess.Popen(
        [*command, str(tmp_path / "1.csv")], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.scored.csv")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert {path.name[0] for path in (tmp_path / "out").iterdir()} <= {"1", "_", "."}


def test_an_unreachable_scheduler_is_a_one_line_error(
    tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scheduler", "tcp://127.0.0.1:9", "--cluster-timeout", "1", "--out", str(tmp_path)]
    assert score.main([str(tiny_corpus), "--bundle", str(tiny_bundle), *options]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("score: no cluster at tcp://127.0.0.1:9: ")


def test_without_dask_the_error_names_the_extra(
    run: Callable[..., int], tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run(tiny_corpus) == 1
    assert "install the extra `distributed`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["a.csv"], ["-", "--out", "x"], ["a.csv", "--out", "x", "--partition-rows", "0"]]
)
def test_invalid_options_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        score.main(["--scheduler", "local", *arguments])
    assert refused.value.code == 2


def test_serving_and_scoring_on_one_machine_import_neither_dask_nor_upath() -> None:
    modules = "import sys, review_scorer.app, review_scorer.batch.score as _"
    code = f"{modules}; sys.exit(bool({{'distributed', 'upath'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60).returncode == 0
