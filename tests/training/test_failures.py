"""Failures of training are reported in one line, and finished steps are kept."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import location
from review_scorer.scoring import bundle
from review_training.corpus.sources import stamp
from review_training.evaluation import cross_validation
from review_training.evaluation.cross_validation import ValidatedFit
from review_training.runs import train
from review_training.runs.lock import lock_bundle
from review_training.runs.workdir import UnfinishedError
from tests.support.running import ROOT

QUICK = ["--no-seed-corpus"]


@contextmanager
def files_no_larger_than(most: int) -> Iterator[None]:
    """Limit the size of files, so that writes fail as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def options_for(corpus: Path, path: Path, *more: str) -> list[str]:
    return ["--corpus", str(corpus), "--bundle", str(path), *QUICK, "--validation", "part", *more]


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_a_second_training_of_the_same_bundle_is_refused(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, statuses = train.fit_and_validate, []

    def train_meanwhile(*arguments: object) -> ValidatedFit:
        for more in ([], ["--seed", "2"], ["--work-dir", str(tmp_path / "work")]):
            statuses.append(train.main(options_for(tiny_corpus, tmp_path / "bundle", *more)))
            assert "another training" in last_line(capsys)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "fit_and_validate", train_meanwhile)
    assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 0
    assert statuses == [1, 1, 1]
    assert names(tmp_path) == [".bundle.lock", "bundle"]


def test_a_lock_file_without_a_process_does_not_block_training(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / ".bundle.lock").touch()
    assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 0
    assert names(tmp_path) == [".bundle.lock", "bundle"]


def test_a_kill_releases_the_lock(tmp_path: Path) -> None:
    code = """if True:
    import sys, time
    from pathlib import Path
    from review_training.runs.lock import lock_bundle
    with lock_bundle(Path(sys.argv[1])):
        print("locked", flush=True)
        time.sleep(60)"""
    bundle_path = tmp_path / "bundle"
    with subprocess.Popen([sys.executable, "-c", code, bundle_path], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(CorpusError, match="another training of"), lock_bundle(bundle_path):
            pass
        process.kill()
    with lock_bundle(bundle_path):
        pass


def test_a_full_disk_is_reported_in_one_line_and_training_resumes_when_there_is_space(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_no_larger_than(50_000):
        assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 1
    assert os.strerror(errno.EFBIG) in last_line(capsys)
    (work,) = tmp_path.glob(".bundle.work-*")
    assert not [file for file in work.rglob("*") if file.name.startswith(".")]  # nothing half-written
    assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 0
    assert "resuming from the finished steps" in capsys.readouterr().err
    assert names(tmp_path) == [".bundle.lock", "bundle"]


def test_the_steps_are_kept_if_the_bundle_does_not_fit_on_the_disk(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = bundle.write

    def write(*arguments: object, **options: object) -> None:
        with files_no_larger_than(10_000):
            real(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(train, "write", write)
        assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 1
    assert last_line(capsys) == f"train.py: cannot write the bundle {tmp_path / 'bundle'}: {os.strerror(errno.EFBIG)}"
    (work,) = tmp_path.glob(".bundle.work-*")  # and no half of a bundle
    assert (work / "whole" / "booster.done").exists()
    assert train.main(options_for(tiny_corpus, tmp_path / "bundle")) == 0
    assert names(tmp_path) == [".bundle.lock", "bundle"]


def test_a_killed_process_is_reported_in_one_line_and_the_finished_steps_are_kept(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cross_validation, "_fit_bundle", partial(os._exit, 1))
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "bundle"), *QUICK]) == 1
    assert last_line(capsys) == "train.py: a worker process was killed, probably because memory ran out"
    (work,) = tmp_path.glob(".bundle.work-*")
    assert (work / "words.done").exists()


def test_an_interrupt_ends_all_processes_without_a_traceback_and_training_resumes(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    options = options_for(tiny_corpus, tmp_path / "bundle", "--validation", "folds", "--shard-size", "100")
    command = [sys.executable, str(ROOT / "train-corpus" / "train.py"), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".bundle.work-*/*tokens.done")):  # its processes are at work
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert b"finished steps are kept in" in said.splitlines()[-1]
    with suppress(ProcessLookupError):
        while True:
            os.killpg(process.pid, 0)
            assert time.monotonic() < deadline, "a process is left over"
            time.sleep(0.05)
    again = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert again.stderr.startswith(b"resuming from the finished steps")


def test_training_does_not_resume_with_tokens_of_a_replaced_dictionary(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> ValidatedFit:
        raise UnfinishedError("stopped")

    words = tmp_path / "words.dic"
    monkeypatch.setattr(
        "review_training.corpus.tokenize.Tokenizer", lambda *_, **__: str.split
    )  # what it holds does not matter here
    monkeypatch.setattr(train, "fit_and_validate", stop)
    options = options_for(tiny_corpus, tmp_path / "bundle", "--user-dictionary", str(words))
    for content, goes_on in (("one", False), ("one", True), ("another", False)):
        if not goes_on:
            words.write_text(content)
        assert train.main(options) == 1
        assert ("resuming" in capsys.readouterr().err) is goes_on


@pytest.mark.parametrize("key", ["etag", "ETag", "mtime", "LastModified"])
def test_a_replaced_object_of_the_same_size_has_another_stamp(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info: dict[str, object] = {"name": "/reviews.csv", "size": 9, "type": "file", key: "first"}
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_, **__: info)
    reviews = location("memory://reviews.csv")
    before = stamp(reviews)
    assert stamp(reviews) == before
    info[key] = "second"
    assert stamp(reviews) != before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--user-dictionary", "none.dic"], "MeCab cannot load the dictionary"),
        (["--rejects", "{corpus}/rejects.csv"], "File exists"),
        (["--work-dir", "{corpus}/work"], "Not a directory"),
        (["--bundle", "{corpus}/bundle"], "File exists"),
    ],
)
def test_an_unusable_path_is_reported_in_one_line(
    more: list[str], message: str, tmp_path: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text(tiny_corpus.read_text(encoding="utf-8") + "x,星が読めない\n", encoding="utf-8")
    assert train.main(options_for(corpus, tmp_path / "bundle", *(each.format(corpus=corpus) for each in more))) == 1
    assert message in last_line(capsys)
    assert not (tmp_path / "bundle").exists()


def test_a_missing_seed_corpus_is_reported_in_one_line(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "bundle"), "--seed-corpus", "none.csv"]
    assert train.main(arguments) == 1
    assert last_line(capsys).startswith("train.py: cannot read none.csv")


@pytest.mark.parametrize(
    ("option", "value"), [("--shard-size", "0"), ("--shard-size", "-1"), ("--seed", "-1"), ("--seed", "x")]
)
def test_an_invalid_number_is_refused_with_its_option(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(["--corpus", "x.csv", "--bundle", "b", option, value])
    assert ended.value.code == 2
    assert f"{option}: '{value}' is not an integer" in last_line(capsys)
