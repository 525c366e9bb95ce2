"""Reads and writes bundles: a trained scorer as a directory of data files.

    manifest.json       metadata, and the SHA-256 of every other file
    vocabulary.txt      one n-gram a line, its tokens joined by a space, the most frequent first; a line is a column
    idf.npy             float64, one value for each column
    coefficients.npy    float64, one value for each column: the linear base
    booster.txt         the trees in LightGBM's text format
    user.dic            MeCab user dictionary, if the scorer has one
    model-card.*        the model card, for people

Loading a bundle executes no code from it: it has no pickle. LightGBM's text parser trusts its input, so it runs only
after the digest is verified. A digest detects damage and mixed-up files, but not changes by anyone who can write the
bundle.
"""

import ctypes
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.atomic_write import atomic_write
from review_scorer.scoring.booster import Booster
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.scorer import Model, Scorer
from review_scorer.scoring.text import NORMALISATION
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY, Tokenizer
from review_scorer.scoring.vectors import Vectorizer

FORMAT = 3
MANIFEST = "manifest.json"
USER_DICTIONARY = "user.dic"

_RETRAIN = "train it again with this version: make train CORPUS=… BUNDLE=…"
_PROBE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Trained:
    """The result of training: the parts of a scorer, and the facts about it.

    ``facts`` is copied to the manifest unchanged: parameters, corpus, seed, metrics, library versions.
    """

    vectorizer: Vectorizer
    coefficients: NDArray[np.float64]
    intercept: float
    booster: str
    intervals: Intervals
    facts: Mapping[str, Any]


class Bundle(NamedTuple):
    """A loaded bundle; ``digest``, the SHA-256 of the manifest, identifies it and, through the manifest, its files."""

    scorer: Scorer
    manifest: Mapping[str, Any]
    digest: str


def assemble(trained: Trained, tokenizer: Tokenizer) -> Scorer:
    """Return the scorer made of the trained parts, equal to the one that serving loads from a bundle."""
    vectorizer = trained.vectorizer
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    return Scorer(tokenizer, vectorizer, model, trained.intervals)


def write(
    trained: Trained, tokenizer: Tokenizer, directory: Path, *, probe: str, extras: Mapping[str, bytes] | None = None
) -> None:
    """Write the bundle of ``trained`` to ``directory`` atomically: it is the old bundle or the new one at any time.

    ``extras`` are additional files, for people. ``probe`` is a review whose score is stored in the manifest; ``load``
    checks that it gets the same score. Equal parts give equal bytes. Raises ``BundleError`` if ``directory`` exists and
    is no bundle, or cannot be written.
    """
    directory = directory.absolute()
    if directory.exists() and not (directory / MANIFEST).is_file():
        raise BundleError(f"{directory} exists and is not a bundle; remove it or choose another path")
    files = {
        "vocabulary.txt": "".join(f"{term}\n" for term in trained.vectorizer.terms).encode(),
        "idf.npy": _npy(trained.vectorizer.idf),
        "coefficients.npy": _npy(trained.coefficients),
        "booster.txt": trained.booster.encode(),
        **(extras or {}),
    }
    if tokenizer.user_dictionary:
        files[USER_DICTIONARY] = tokenizer.user_dictionary.read_bytes()
    manifest = {
        "format": FORMAT,
        "normalisation": NORMALISATION,
        "dictionary": {"name": tokenizer.name, "fingerprint": tokenizer.fingerprint},
        "longest_ngram": trained.vectorizer.longest,
        "intercept": trained.intercept,
        "intervals": trained.intervals._asdict(),
        "probe": {"text": probe, "score": assemble(trained, tokenizer).score(probe)},
        **trained.facts,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[MANIFEST] = (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        for leftover in directory.parent.glob(f".{directory.name}.partial-*"):
            shutil.rmtree(leftover)
        install(directory, _write_beside(directory, files))
    except OSError as error:
        raise BundleError(f"cannot write the bundle {directory}: {error.strerror or error}") from error


def load(directory: Path, *, dictionary: Path = DEFAULT_DICTIONARY, max_chars: int = 10_000) -> Bundle:
    """Return the verified bundle in ``directory``.

    ``dictionary`` is the compiled MeCab dictionary that the bundle was trained with. ``max_chars`` is the maximum
    length of a text, in code points.

    Raises ``BundleError`` for anything that would change the scores: a missing or modified file, another format,
    normalisation or dictionary, or another score of the probe review.
    """
    manifest, files, digest = _read(directory)
    trained_with = manifest["dictionary"]
    # Verified above. MeCab maps the file into memory, so it may be deleted when the bundle is replaced.
    user_dictionary = directory / USER_DICTIONARY if USER_DICTIONARY in files else None
    tokenizer = Tokenizer(dictionary, user_dictionary=user_dictionary)
    if trained_with["fingerprint"] != tokenizer.fingerprint:
        raise BundleError(
            f"{directory} was trained with the dictionary {trained_with['name']} {trained_with['fingerprint'][:12]}, "
            f"not with {tokenizer.name} {tokenizer.fingerprint[:12]}; "
            f"set SCORER_DICTIONARY to the dictionary of the training, or {_RETRAIN}"
        )
    terms = files["vocabulary.txt"].decode().split("\n")[:-1]
    vectorizer = Vectorizer(terms, _array(files["idf.npy"]), longest=manifest["longest_ngram"])
    booster = Booster(files["booster.txt"].decode())
    if booster.width > len(terms) + 1:
        raise BundleError(
            f"{directory}: the trees need {booster.width} columns, the vocabulary has {len(terms)}; {_RETRAIN}"
        )
    model = Model(_array(files["coefficients.npy"]), manifest["intercept"], booster)
    intervals = Intervals(*(manifest["intervals"][name] for name in Intervals._fields))
    scorer = Scorer(tokenizer, vectorizer, model, intervals, max_chars=max_chars)
    probe = manifest["probe"]
    score = scorer.score(probe["text"])
    if abs(score - probe["score"]) > _PROBE_TOLERANCE:
        raise BundleError(
            f"{directory}: the score of the probe review is {score!r}, it was {probe['score']!r} in training: "
            f"the installed libraries differ from {manifest['libraries']}; {_RETRAIN}"
        )
    return Bundle(scorer, manifest, digest)


def _read(directory: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Return the manifest, the verified contents of its files, and the digest of the manifest."""
    while True:
        try:
            # All files are opened relative to one directory descriptor, so they belong to one bundle during a swap.
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BundleError(f"no bundle at {directory}: {error.strerror}; train one: make train BUNDLE=…") from None
        try:
            return _read_from(directory, handle)
        except BundleError:
            # Retried if the bundle was replaced meanwhile: training deletes the old one right after the swap.
            if os.path.samestat(os.fstat(handle), directory.stat()):
                raise
        finally:
            os.close(handle)


def _read_from(directory: Path, handle: int) -> tuple[dict[str, Any], dict[str, bytes], str]:
    content = _content(directory, handle, MANIFEST)
    manifest = _parse_manifest(directory, content)
    files = {}
    for name, digest in manifest["files"].items():
        files[name] = _content(directory, handle, name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            path = directory / name
            raise BundleError(f"{path} was modified or is damaged (SHA-256 differs); copy the bundle again")
    return manifest, files, hashlib.sha256(content).hexdigest()


def _parse_manifest(directory: Path, content: bytes) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{path} is not JSON ({error}); copy the bundle again") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise BundleError(f"{path} has format {found!r}, this version reads format {FORMAT}; {_RETRAIN}")
    required = {"dictionary", "files", "intercept", "intervals", "libraries", "longest_ngram", "normalisation", "probe"}
    if missing := sorted(required - manifest.keys()):
        raise BundleError(f"{path} lacks {', '.join(missing)}; copy the bundle again")
    if manifest["normalisation"] != NORMALISATION:
        raise BundleError(
            f"{path} was trained with the normalisation {manifest['normalisation']!r}, "
            f"this version uses {NORMALISATION!r}; {_RETRAIN}"
        )
    required = {"vocabulary.txt", "idf.npy", "coefficients.npy", "booster.txt"}
    if missing := sorted(required - manifest["files"].keys()):
        raise BundleError(f"{path} has no digest of {', '.join(missing)}; copy the bundle again")
    return dict(manifest)


def _content(directory: Path, handle: int, name: str) -> bytes:
    try:
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=handle)) as file:
            return file.read()
    except OSError as error:
        raise BundleError(f"cannot read {directory / name}: {error.strerror}; copy the bundle again") from None


def _npy(array: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(content: bytes) -> NDArray[np.float64]:
    array: NDArray[np.float64] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _write_beside(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Return a new directory of ``files`` beside ``directory``; it is deleted if a file cannot be written."""
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.partial-", dir=directory.parent))
    try:
        partial.chmod(0o755)
        for name, content in files.items():
            with atomic_write(partial / name) as file:
                file.write(content)
    except OSError:
        shutil.rmtree(partial)
        raise
    return partial


def install(directory: Path, new: Path) -> None:
    """Replace ``directory``, which may exist, with the bundle ``new`` on the same file system, atomically.

    If the file system cannot swap directories, as with NFS, ``directory`` must be a symbolic link, which is then
    redirected to the new bundle. Raises ``BundleError`` if it is no link.
    """
    target = directory.resolve() if directory.is_symlink() else directory
    if not target.exists():
        new.rename(target)
    elif not (failed := _exchange(new, target)):
        shutil.rmtree(new)
    elif directory.is_symlink():
        _redirect(directory, new)
    else:
        raise BundleError(
            f"the file system of {directory} cannot swap directories ({os.strerror(failed)}); the new bundle is "
            f"complete at {new}: move it by hand, train to a new path, or make {directory} a symbolic link"
        )
    for changed in {target.parent, directory.parent}:
        parent = os.open(changed, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _redirect(link: Path, new: Path) -> None:
    """Redirect ``link`` to ``new`` atomically, then delete its old target and what killed processes left."""
    target = new.rename(link.with_name(f".{link.name}.whole-{uuid4().hex}"))
    new_link = link.with_name(f".{link.name}.link")
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(target.name)
    new_link.replace(link)
    for leftover in link.parent.glob(f".{link.name}.whole-*"):
        if leftover != target:
            shutil.rmtree(leftover)


_AT_FDCWD = -100  # fcntl.h
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2, RENAME_SWAP of macOS' renamex_np: both are 2


def _exchange(one: Path, other: Path) -> int:
    """Swap two directories atomically, which plain rename cannot do; return 0 or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(first, second, _EXCHANGE)
    else:
        failed = libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE)
    return ctypes.get_errno() if failed else 0
