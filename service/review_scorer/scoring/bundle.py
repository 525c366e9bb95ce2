"""A trained scorer as a directory of data.

    manifest.json       what the bundle is and the sha256 of every other file
    vocabulary.txt      one n-gram a line, its tokens joined by a space, the most frequent first; a line is a column
    idf.npy             float64, one a column
    coefficients.npy    float64, one a column: the linear base
    booster.txt         LightGBM's text model
    user.dic            words that were added to MeCab's dictionary, where there are any
    model-card.*        what the model is good for, for people

Nothing in it is executed by reading it: no pickle, and LightGBM's text, whose parser trusts its input, is parsed only
after its digest was found right. A digest guards against damage and mix-ups, not against whoever can write the bundle.
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

from review_scorer.scoring.booster import Booster
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.scorer import Model, Scorer
from review_scorer.scoring.text import NORMALISATION
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY, Tokenizer
from review_scorer.scoring.vectors import Vectorizer

FORMAT = 2
MANIFEST = "manifest.json"
USER_DICTIONARY = "user.dic"

_RETRAIN = "train it again with this version: make train CORPUS=… BUNDLE=…"
_PROBE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Trained:
    """What training hands over to be written: the parts of a scorer, and the facts about it.

    ``facts`` goes into the manifest as it is: parameters, corpus, seed, figures, library versions.
    """

    vectorizer: Vectorizer
    coefficients: NDArray[np.float64]
    intercept: float
    booster: str
    certainty: Intervals
    facts: Mapping[str, Any]


class Bundle(NamedTuple):
    """A bundle in memory; ``digest`` is the manifest's sha256: it names the bundle, as the manifest names its files."""

    scorer: Scorer
    manifest: Mapping[str, Any]
    digest: str


def assemble(trained: Trained, tokenizer: Tokenizer) -> Scorer:
    """Return the scorer that the parts make, as serving would after loading them."""
    vectorizer = trained.vectorizer
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    return Scorer(tokenizer, vectorizer, model, trained.certainty)


def write(
    trained: Trained, tokenizer: Tokenizer, directory: Path, *, probe: str, extras: Mapping[str, bytes] | None = None
) -> None:
    """Make ``directory`` the bundle of ``trained``, in one step: it is the old bundle or the new, never half of one.

    ``extras`` are further files, for people. ``probe`` is a review whose score is stored, so that every loading can
    check that the chain gives it again.
    The same parts give the same bytes. Raises ``BundleError`` when the place cannot be written.
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
        "certainty": trained.certainty._asdict(),
        "probe": {"text": probe, "score": assemble(trained, tokenizer).score(probe)},
        **trained.facts,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[MANIFEST] = (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        for leftover in directory.parent.glob(f".{directory.name}.partial-*"):
            shutil.rmtree(leftover)
        put(directory, _write_beside(directory, files))
    except OSError as error:
        raise BundleError(f"cannot write the bundle {directory}: {error.strerror or error}") from error


def load(directory: Path, *, dictionary: Path = DEFAULT_DICTIONARY, max_chars: int = 10_000) -> Bundle:
    """Return the bundle in ``directory``, verified and ready to score.

    ``dictionary`` is the one that it was trained with, compiled for MeCab.

    Raises ``BundleError`` for anything that would make it score differently than when it was trained: a file that is
    missing or was changed, another format, normalisation or dictionary, a probe review with another score.
    """
    manifest, files, digest = _read(directory)
    trained_with = manifest["dictionary"]
    # Verified above; MeCab maps it into memory, so that it may go when the bundle is replaced.
    user_dictionary = directory / USER_DICTIONARY if USER_DICTIONARY in files else None
    tokenizer = Tokenizer(dictionary, user_dictionary=user_dictionary)
    if trained_with["fingerprint"] != tokenizer.fingerprint:
        raise BundleError(
            f"{directory} was trained with the dictionary {trained_with['name']} {trained_with['fingerprint'][:12]}, "
            f"here is {tokenizer.name} {tokenizer.fingerprint[:12]}; "
            f"name the right one with SCORER_DICTIONARY, or {_RETRAIN}"
        )
    terms = files["vocabulary.txt"].decode().split("\n")[:-1]
    vectorizer = Vectorizer(terms, _array(files["idf.npy"]), longest=manifest["longest_ngram"])
    booster = Booster(files["booster.txt"].decode())
    if booster.width > len(terms) + 1:
        raise BundleError(
            f"{directory}: the trees want {booster.width} columns, the vocabulary has {len(terms)}; {_RETRAIN}"
        )
    model = Model(_array(files["coefficients.npy"]), manifest["intercept"], booster)
    certainty = Intervals(*(manifest["certainty"][name] for name in Intervals._fields))
    scorer = Scorer(tokenizer, vectorizer, model, certainty, max_chars=max_chars)
    probe = manifest["probe"]
    score = scorer.score(probe["text"])
    if abs(score - probe["score"]) > _PROBE_TOLERANCE:
        raise BundleError(
            f"{directory} scores its probe review {score!r}, where training got {probe['score']!r}: "
            f"the libraries here differ from {manifest['libraries']}; {_RETRAIN}"
        )
    return Bundle(scorer, manifest, digest)


def _read(directory: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Return the manifest, the verified contents of the files that it names, and the manifest's own digest."""
    while True:
        try:
            # One descriptor for the directory: a bundle swapped in meanwhile cannot mix its files into this one.
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BundleError(f"no bundle at {directory}: {error.strerror}; train one: make train BUNDLE=…") from None
        try:
            return _read_from(directory, handle)
        except BundleError:
            # Training removes the old bundle right after it put the new one in its place.
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
            raise BundleError(f"{path} is not the file that was trained (sha256 differs); copy the bundle anew")
    return manifest, files, hashlib.sha256(content).hexdigest()


def _parse_manifest(directory: Path, content: bytes) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{path} is not JSON ({error}); copy the bundle anew") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise BundleError(f"{path} is of format {found!r}, this version reads format {FORMAT}; {_RETRAIN}")
    wanted = {"certainty", "dictionary", "files", "intercept", "libraries", "longest_ngram", "normalisation", "probe"}
    if missing := sorted(wanted - manifest.keys()):
        raise BundleError(f"{path} lacks {', '.join(missing)}; copy the bundle anew")
    if manifest["normalisation"] != NORMALISATION:
        raise BundleError(
            f"{path} was trained under the normalisation {manifest['normalisation']!r}, "
            f"here is {NORMALISATION!r}; {_RETRAIN}"
        )
    needed = {"vocabulary.txt", "idf.npy", "coefficients.npy", "booster.txt"}
    if missing := sorted(needed - manifest["files"].keys()):
        raise BundleError(f"{path} gives no digest for {', '.join(missing)}; copy the bundle anew")
    return dict(manifest)


def _content(directory: Path, handle: int, name: str) -> bytes:
    try:
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=handle)) as file:
            return file.read()
    except OSError as error:
        raise BundleError(f"cannot read {directory / name}: {error.strerror}; copy the bundle anew") from None


def _npy(array: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(content: bytes) -> NDArray[np.float64]:
    array: NDArray[np.float64] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _write_beside(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Return a directory of these files, on the file system of ``directory``; there is none where that fails."""
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.partial-", dir=directory.parent))
    try:
        partial.chmod(0o755)
        for name, content in files.items():
            _write_through(partial / name, content)
    except OSError:
        shutil.rmtree(partial)
        raise
    return partial


def _write_through(path: Path, content: bytes) -> None:
    """Write ``content`` and wait until the disk has it: a rename may not outrun the data it points to."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def put(directory: Path, whole: Path) -> None:
    """Put the bundle ``whole``, of the same file system, in the place of ``directory``, which may exist, in one step.

    Where the file system cannot swap directories, as NFS cannot, ``directory`` has to be a symbolic link, which is then
    made to lead to the new bundle. Raises ``BundleError`` where it is none.
    """
    place = directory.resolve() if directory.is_symlink() else directory
    if not place.exists():
        whole.rename(place)
    elif not (failed := _exchange(whole, place)):
        shutil.rmtree(whole)
    elif directory.is_symlink():
        _lead(directory, whole)
    else:
        raise BundleError(
            f"the file system of {directory} cannot swap directories ({os.strerror(failed)}); the new bundle is whole "
            f"at {whole}: move it yourself, train into a path that does not exist yet, or let a symbolic link be there"
        )
    for changed in {place.parent, directory.parent}:
        parent = os.open(changed, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _lead(link: Path, whole: Path) -> None:
    """Let ``link`` lead to ``whole`` in one step, and clear what it led to before and what a killed one left."""
    new = whole.rename(link.with_name(f".{link.name}.whole-{uuid4().hex}"))
    pointer = link.with_name(f".{link.name}.link")
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(new.name)
    pointer.replace(link)
    for leftover in link.parent.glob(f".{link.name}.whole-*"):
        if leftover != new:
            shutil.rmtree(leftover)


_AT_FDCWD = -100  # fcntl.h
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2, RENAME_SWAP of macOS' renamex_np: both are 2


def _exchange(one: Path, other: Path) -> int:
    """Let two directories trade names in one step, which plain rename does not; return 0, or the error's number."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(first, second, _EXCHANGE)
    else:
        failed = libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE)
    return ctypes.get_errno() if failed else 0
