"""A bundle loads exactly as it was trained, or is refused with a one-line error."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from review_scorer.scoring import bundle as bundles
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_training.runs import train
from tests.support.running import ROOT


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit(directory: Path, change: Callable[[dict[str, object]], object]) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    change(manifest)
    (directory / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_holds_data_files_and_a_manifest_of_them(tiny_bundle: Path) -> None:
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    assert {file.name for file in tiny_bundle.iterdir()} == {"manifest.json", *manifest["files"]}
    assert manifest["corpus"]["rows"] > 500
    assert set(manifest["libraries"]) >= {"lightgbm", "mecab-python3", "ipadic", "scikit-learn", "numpy"}
    assert manifest["parameters"]["rounds"] == 100
    assert manifest["evaluation"]["rmse"] < manifest["evaluation"]["constant_rmse"]
    assert manifest["dictionary"]["name"] == "ipadic"
    for counts in manifest["distribution"].values():
        assert (len(counts), sum(counts)) == (10, manifest["corpus"]["rows"])
    for name in ("idf.npy", "coefficients.npy"):
        np.load(tiny_bundle / name, allow_pickle=False)


@pytest.mark.parametrize("name", ["vocabulary.txt", "idf.npy", "coefficients.npy", "booster.txt"])
def test_the_error_names_a_file_with_a_flipped_bit(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} was modified or is damaged"):
        load(copy)


def test_trees_wider_than_the_vocabulary_are_refused(copy: Path) -> None:
    (copy / "vocabulary.txt").write_text("良い\n")
    digest = hashlib.sha256((copy / "vocabulary.txt").read_bytes()).hexdigest()
    edit(copy, lambda manifest: manifest["files"].update({"vocabulary.txt": digest}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match=r"the trees need \d+ columns, the vocabulary has 1"):
        load(copy)


@pytest.mark.parametrize("name", ["vocabulary.txt", "booster.txt", "manifest.json"])
def test_the_error_names_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"cannot read .*{name}"):
        load(copy)


def test_the_error_names_a_truncated_manifest(copy: Path) -> None:
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text()[:200])
    with pytest.raises(BundleError, match=r"manifest\.json is not JSON"):
        load(copy)


def test_the_error_for_a_missing_bundle_names_the_command_that_trains_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .*nowhere.*make train"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=99), "format 99, this version reads format 3; train it again"),
        (lambda m: m.update(normalisation="none"), "normalisation 'none'"),
        (
            lambda m: m["dictionary"].update(name="unidic", fingerprint="0" * 64),
            "dictionary unidic 000000000000, not with",
        ),
        (lambda m: m["probe"].update(score=1.5), "the score of the probe review is"),
        (lambda m: m.pop("intercept"), "lacks intercept"),
        (lambda m: m["files"].pop("idf.npy"), r"no digest of idf\.npy"),
    ],
)
def test_an_incompatible_bundle_is_refused_with_a_one_line_error(
    copy: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    edit(copy, change)
    with pytest.raises(BundleError, match=message) as refused:
        load(copy)
    assert "\n" not in str(refused.value)


def test_digests_are_verified_before_anything_is_parsed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*_arguments: object, **_options: object) -> None:
        raise AssertionError("parsed before it was verified")

    monkeypatch.setattr(bundles, "Booster", parsed)
    monkeypatch.setattr(np, "load", parsed)
    (copy / "vocabulary.txt").write_text("changed")
    with pytest.raises(BundleError, match=r"vocabulary\.txt"):
        load(copy)


def test_the_same_corpus_and_seed_give_the_same_bytes(tiny_corpus: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    command = [
        sys.executable,
        "train-corpus/train.py",
        "--corpus",
        str(tiny_corpus),
        "--bundle",
        str(again),
        "--no-seed-corpus",
    ]
    # Another process with another hash seed: the order of sets must not affect the result.
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    for file in tiny_bundle.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_another_seed_gives_another_bundle(tiny_corpus: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(other), "--no-seed-corpus", "--seed", "2"]) == 0
    assert (other / "booster.txt").read_bytes() != (tiny_bundle / "booster.txt").read_bytes()


def test_training_replaces_a_bundle_and_leaves_only_its_lock_file_beside_it(tiny_corpus: Path, copy: Path) -> None:
    before = load(copy).digest
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(copy), "--no-seed-corpus", "--seed", "3"]) == 0
    assert load(copy).digest != before
    assert {path.name for path in copy.parent.iterdir()} == {"bundle", ".bundle.lock"}


def test_training_through_a_symlink_replaces_what_it_points_to(tiny_corpus: Path, copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("bundle")
    before = load(link).digest
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(link), "--no-seed-corpus", "--seed", "3"]) == 0
    assert link.is_symlink()
    assert load(link).digest == load(copy).digest != before


@pytest.fixture
def unswappable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot swap directories, such as NFS."""
    monkeypatch.setattr(bundles, "_exchange", lambda *_: errno.EINVAL)


@pytest.mark.usefixtures("unswappable")
def test_without_directory_swaps_a_link_is_redirected_to_the_new_bundle(
    tiny_bundle: Path, default_bundle: Path, tmp_path: Path
) -> None:
    link = tmp_path / "bundle"
    link.symlink_to(".bundle.whole-first")
    (tmp_path / ".bundle.whole-left").mkdir()
    for number, bundle in enumerate((tiny_bundle, default_bundle, tiny_bundle)):
        bundles.install(link, Path(shutil.copytree(bundle, tmp_path / f"new-{number}")))
        assert load(link).digest == load(bundle).digest
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["bundle", link.resolve().name])


@pytest.mark.usefixtures("unswappable")
def test_without_directory_swaps_a_bundle_that_is_no_link_is_unchanged(
    tiny_bundle: Path, copy: Path, tmp_path: Path
) -> None:
    (copy / "model-card.html").write_text("the old one")
    new = Path(shutil.copytree(tiny_bundle, tmp_path / "new"))
    with pytest.raises(BundleError, match=r"cannot swap directories .* complete at .*new"):
        bundles.install(copy, new)
    assert (copy / "model-card.html").read_text() == "the old one"
    assert load(new).digest == load(tiny_bundle).digest


def test_a_directory_that_is_no_bundle_is_not_replaced(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(tmp_path)]) == 1
    assert "exists and is not a bundle" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


WRITER = """
import sys
from pathlib import Path
from review_scorer.scoring.bundle import write, load
from review_scorer.scoring.tokens import Tokenizer
from review_training.model import fit
from review_training.model.recipe import Recipe
from review_scorer.corpora.reviews import Review
from tests.support.tokenised import corpus_of

tokenizer = Tokenizer()
reviews = [Review(f"良い {i % 7}", 1.0 + i % 5) for i in range(200)]
trained = fit.fit(corpus_of(reviews, Path(sys.argv[1] + "-work")), Recipe(rounds=2), seed=1)
facts = {"libraries": {}}
print("ready", flush=True)
import dataclasses, itertools
for intercept in itertools.count():
    changed = dataclasses.replace(trained, intercept=1 + intercept % 100 / 50, facts=facts)
    write(changed, tokenizer, Path(sys.argv[1]), probe="良い")
"""


UNSWAPPABLE = "from review_scorer.scoring import bundle; bundle._exchange = lambda *_: 22\n"


@pytest.mark.parametrize("prelude", ["", UNSWAPPABLE], ids=["swapped", "linked"])
def test_a_writer_killed_at_any_time_leaves_a_complete_bundle(prelude: str, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    if prelude:
        path.symlink_to(".bundle.whole-first")
    for attempt in range(6):
        command = [sys.executable, "-W", "ignore", "-c", prelude + WRITER, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 10
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            for _ in range(20):
                load(path)  # while the writer replaces it
            time.sleep(0.0007 * attempt)
            writer.send_signal(signal.SIGKILL)
        load(path)


def test_training_deletes_the_temporary_files_of_a_killed_writer(tiny_corpus: Path, copy: Path) -> None:
    (copy.parent / ".bundle.partial-x").mkdir()
    assert train.main(["--corpus", str(tiny_corpus), "--bundle", str(copy), "--no-seed-corpus"]) == 0
    assert {path.name for path in copy.parent.iterdir()} == {"bundle", ".bundle.lock"}
