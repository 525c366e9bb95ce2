"""Exports the part of a bundle from vector to stars as an ONNX graph.

python train-corpus/export.py --bundle build/bundle --onnx build/reviews.onnx

The graph's input is ``vector``, dense rows of double of shape ``[n, columns]``, its output ``score`` of shape ``[n]``.
The steps from text to vector are not part of it, and are described in its metadata: normalising, MeCab with its
dictionary, and TF-IDF with its vocabulary.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from review_scorer.scoring.atomic_write import atomic_write
from review_scorer.scoring.bundle import USER_DICTIONARY, Bundle
from review_scorer.scoring.bundle import load as load_bundle
from review_scorer.scoring.scorer import Model
from review_scorer.scoring.vectors import Rows
from review_training.command import new_parser, run_command
from review_training.corpus.arguments import add_dictionary_argument
from review_training.export.onnx_graph import INPUT, OUTPUT, ExportError, build

TOLERANCE = 1e-5

_CHECKED_ROWS = 200
_TERMS_PER_ROW = 40


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """The graph's file, its size, and the largest difference from the bundle, in stars, on ``checked`` random rows."""

    onnx: str
    bytes: int
    columns: int
    checked: int
    difference: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("export.py", __doc__)
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to export")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    add_dictionary_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")
    return run_command(parser, arguments, _run)


def _run(options: argparse.Namespace) -> int:
    report = export(load_bundle(options.bundle, dictionary=options.dictionary), options.bundle, options.onnx)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print(
            f"{report.onnx}: {report.bytes:,} bytes, {report.columns:,} columns; "
            f"differs from the bundle by at most {report.difference:.1e} stars on {report.checked:,} random rows"
        )
    return 0


def export(bundle: Bundle, directory: Path, path: Path) -> ExportReport:
    """Write the graph to ``path``, atomically and only if it scores as the bundle does.

    ``directory`` is the bundle's. Raises ``ExportError`` if the bundle cannot be exported or ``path`` not written.
    """
    model = bundle.scorer.model
    graph = build(model, _booster_text(bundle, directory))
    onnx.helper.set_model_props(graph, metadata(bundle))
    content = graph.SerializeToString()
    rows = random_rows(model, seed=bundle.manifest["seed"])
    difference = float(np.abs(run(content, dense(rows, len(model.coefficients))) - model.predict(rows)).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"the graph differs from the bundle by {difference:.1e} stars; it was not written")
    _replace(path, content)
    return ExportReport(
        onnx=str(path),
        bytes=len(content),
        columns=len(model.coefficients),
        checked=_CHECKED_ROWS,
        difference=difference,
    )


def metadata(bundle: Bundle) -> dict[str, str]:
    """Return the graph's metadata: the digest of its bundle, and the steps from text to vector."""
    manifest = bundle.manifest
    outside = {
        "normalisation": manifest["normalisation"],
        "tokeniser": {
            "name": "MeCab",
            "dictionary": manifest["dictionary"],
            "user_dictionary_sha256": manifest["files"].get(USER_DICTIONARY),
        },
        "vectors": {
            "kind": "TF-IDF over runs of tokens joined by a space: (1 + ln n) · idf, each row scaled to length one",
            "longest_ngram": manifest["longest_ngram"],
            "vocabulary_sha256": manifest["files"]["vocabulary.txt"],
            "idf_sha256": manifest["files"]["idf.npy"],
        },
    }
    return {
        "bundle_sha256": bundle.digest,
        "outside": json.dumps(outside, ensure_ascii=False),
    }


def run(content: bytes, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores of the graph in onnxruntime, shape ``(n,)``."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (scores,) = session.run([OUTPUT], {INPUT: vectors})
    return np.asarray(scores, np.float64)


def dense(rows: Rows, width: int) -> NDArray[np.float64]:
    """Return the rows as a dense array of shape ``(n, width)``."""
    vectors = np.zeros((len(rows.indptr) - 1, width))
    vectors[np.repeat(np.arange(len(vectors)), np.diff(rows.indptr)), rows.indices] = rows.values
    return vectors


def random_rows(model: Model, *, seed: int) -> Rows:
    """Return random rows like those of texts, half of their columns seen by the trees; the first is empty."""
    random = np.random.default_rng(seed)
    width, seen = len(model.coefficients), model.booster.width - 1
    columns = [np.empty(0, np.int64)]
    for _ in range(1, _CHECKED_ROWS):
        drawn = [random.integers(0, most, _TERMS_PER_ROW // 2) for most in (width, max(seen, 1))]
        columns.append(np.unique(np.concatenate(drawn)))
    values = [random.random(len(each)) for each in columns]
    scaled = [each / np.linalg.norm(each) if len(each) else each for each in values]
    indptr = np.cumsum([0, *map(len, columns)])
    return Rows(indptr.astype(np.int32), np.concatenate(columns).astype(np.int32), np.concatenate(scaled))


def _booster_text(bundle: Bundle, directory: Path) -> str:
    """Return the text of the trees; raise ``ExportError`` if the bundle was replaced since it was loaded."""
    try:
        content = (directory / "booster.txt").read_bytes()
    except OSError as error:
        raise ExportError(f"cannot read {directory / 'booster.txt'}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != bundle.manifest["files"]["booster.txt"]:
        raise ExportError(f"{directory} was replaced during the export; run it again")
    return content.decode()


def _replace(path: Path, content: bytes) -> None:
    """Make ``path`` a file of ``content`` in one step."""
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from None
