"""Write the part of a bundle from vector to stars as an ONNX graph.

python train-corpus/export.py --bundle build/bundle --onnx build/reviews.onnx

The graph takes dense rows of double, ``vector`` of the shape ``[n, columns]``, and gives ``score`` of the shape
``[n]``. What makes a text such a row stays outside, and is told in the graph's metadata: normalising, MeCab with its
dictionary, and TF-IDF with its vocabulary.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from review_scorer.scoring.atomic_write import atomic_write
from review_scorer.scoring.bundle import USER_DICTIONARY, Bundle, load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Model
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.scoring.vectors import Rows
from review_training.export.onnx_graph import INPUT, OUTPUT, ExportError, build

TOLERANCE = 1e-5

_SAMPLE = 200
_TERMS_A_ROW = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to export")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="where to write the graph")
    parser.add_argument(
        "--dictionary",
        type=Path,
        default=DEFAULT_DICTIONARY,
        metavar="DIR",
        help="the compiled MeCab dictionary that the bundle was trained with (default: IPADIC)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")
    options = parser.parse_args(arguments)
    try:
        facts = export(load(options.bundle, dictionary=options.dictionary), options.bundle, options.onnx)
    except (BundleError, ExportError) as error:
        print(f"export.py: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(facts))
    else:
        print(
            f"{options.onnx}: {facts['bytes']:,} bytes, {facts['columns']:,} columns; "
            f"differs from the bundle by at most {facts['difference']:.1e} stars on {facts['checked']:,} made-up rows"
        )
    return 0


def export(bundle: Bundle, directory: Path, path: Path) -> dict[str, float | str]:
    """Write the graph to ``path``, in one step and only if it scores as the bundle does; return facts about it.

    ``directory`` is the bundle's. Raises ``ExportError`` where the bundle cannot be exported or ``path`` not written.
    """
    model = bundle.scorer.model
    graph = build(model, _booster(bundle, directory))
    onnx.helper.set_model_props(graph, metadata(bundle))
    content = graph.SerializeToString()
    rows = sample(model, seed=bundle.manifest["seed"])
    difference = float(np.abs(run(content, dense(rows, len(model.coefficients))) - model.predict(rows)).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"the graph differs from the bundle by {difference:.1e} stars; it was not written")
    _replace(path, content)
    return {
        "onnx": str(path),
        "bytes": len(content),
        "columns": len(model.coefficients),
        "checked": _SAMPLE,
        "difference": difference,
    }


def metadata(bundle: Bundle) -> dict[str, str]:
    """Return what the graph says about itself: its bundle, and what a caller has to do before it."""
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
    """Return what onnxruntime makes of the graph, shape ``(n,)``."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (scores,) = session.run([OUTPUT], {INPUT: vectors})
    return np.asarray(scores, np.float64)


def dense(rows: Rows, width: int) -> NDArray[np.float64]:
    """Return the rows with their zeros, shape ``(n, width)``."""
    vectors = np.zeros((len(rows.indptr) - 1, width))
    vectors[np.repeat(np.arange(len(vectors)), np.diff(rows.indptr)), rows.indices] = rows.values
    return vectors


def sample(model: Model, *, seed: int) -> Rows:
    """Return rows as texts might give them, each with some of the trees' columns; the first is empty."""
    random = np.random.default_rng(seed)
    width, seen = len(model.coefficients), model.booster.width - 1
    columns = [np.empty(0, np.int64)]
    for _ in range(1, _SAMPLE):
        drawn = [random.integers(0, most, _TERMS_A_ROW // 2) for most in (width, max(seen, 1))]
        columns.append(np.unique(np.concatenate(drawn)))
    values = [random.random(len(each)) for each in columns]
    scaled = [each / np.linalg.norm(each) if len(each) else each for each in values]
    indptr = np.cumsum([0, *map(len, columns)])
    return Rows(indptr.astype(np.int32), np.concatenate(columns).astype(np.int32), np.concatenate(scaled))


def _booster(bundle: Bundle, directory: Path) -> str:
    """Return the trees' text, which must still be that of the bundle: it may have been replaced since it was loaded."""
    try:
        content = (directory / "booster.txt").read_bytes()
    except OSError as error:
        raise ExportError(f"cannot read {directory / 'booster.txt'}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != bundle.manifest["files"]["booster.txt"]:
        raise ExportError(f"{directory} was replaced while it was exported; try again")
    return content.decode()


def _replace(path: Path, content: bytes) -> None:
    """Make ``path`` a file of ``content`` in one step."""
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from None
