"""Bundles that are trained once for all processes and runs of the tests."""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock

from review_scorer.scoring.bundle import MANIFEST
from review_training.runs import train
from tests.support.imports import PACKAGES, closure
from tests.support.running import ROOT

_KEPT_SECONDS = 7 * 86_400


def trained(name: str, cache: Path, options: Sequence[str], *, corpus: Path) -> Path:
    """Return a bundle trained with ``options``, from ``cache`` if all that it is made from is unchanged.

    The key is a digest of the options, the corpus, the source of training, the locked libraries and the Python version.
    """
    folder = cache / f"{name}-{_key(options, corpus)}"
    bundle = folder / "bundle"
    with FileLock(cache / f"{name}.lock"):
        if not (bundle / MANIFEST).exists():
            _remove_old(cache)
            assert train.main(["--corpus", str(corpus), "--bundle", str(bundle), *options]) == 0
    return bundle


def _key(options: Sequence[str], corpus: Path) -> str:
    digest = hashlib.sha256(repr((list(options), sys.version)).encode())
    for path in (corpus, *_sources()):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """Yield the files that a trained bundle depends on, in a fixed order."""
    training = [path for path in PACKAGES["review_training"].rglob("*") if path.suffix in {".py", ".html"}]
    yield from sorted(closure(path for path in training if path.suffix == ".py") | set(training))
    yield ROOT / "train-corpus" / "reviews.csv"
    yield from sorted(ROOT.glob("requirements/*.txt"))


def _remove_old(cache: Path) -> None:
    for folder in cache.glob("*-*"):
        if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
