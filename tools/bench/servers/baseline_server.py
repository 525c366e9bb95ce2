"""Baseline server: the original recipe behind a straightforward HTTP server.

    python -m tools.bench.servers.baseline_server --corpus train-corpus/reviews.csv --port 4568 --model build/baseline

It handles one request at a time with http.server, MeCab, scikit-learn and LightGBM. As in the original, scores are not
clipped to 1-5; the stress tool counts the few outside that range as wrong.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import ipadic
import lightgbm
import MeCab
import numpy as np
from sklearn.pipeline import FeatureUnion

from review_training.evaluation.original_recipe import ROUNDS, boost, new_vectorizer


def union(vocabulary: Sequence[str] | None = None) -> FeatureUnion:
    """Return the vectoriser of the recipe, in the union that it was part of."""
    return FeatureUnion([("texts", new_vectorizer(vocabulary))])


def train(corpus: Path, model: Path, tagger: Any, rounds: int) -> None:
    """Fit on a CSV with ``points`` and ``texts``; write NumPy arrays and LightGBM's text format to ``model``."""
    with corpus.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    print(f"training on {len(rows):,} reviews, {rounds} rounds", flush=True)
    vectorizer = union()
    matrix = vectorizer.fit_transform([tagger.parse(row["texts"]).strip() for row in rows])
    stars = np.array([float(row["points"]) for row in rows])
    booster = boost(matrix, stars, rounds=rounds)
    tfidf = vectorizer.transformer_list[0][1]
    model.mkdir(parents=True, exist_ok=True)
    np.savez(model / "vectorizer.npz", words=tfidf.get_feature_names_out().astype(str), idf=tfidf.idf_)
    booster.save_model(model / "lightgbm.txt")


def load(model: Path) -> tuple[FeatureUnion, lightgbm.Booster]:
    """Return the vectoriser and the booster that ``train`` wrote."""
    with np.load(model / "vectorizer.npz") as arrays:
        vectorizer = union(arrays["words"].tolist())
        vectorizer.transformer_list[0][1].idf_ = arrays["idf"]
    return vectorizer, lightgbm.Booster(model_file=model / "lightgbm.txt")


def handler(vectorizer: FeatureUnion, booster: lightgbm.Booster, tagger: Any) -> type[BaseHTTPRequestHandler]:
    """Return a request handler class around a model."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Score one review."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            score = booster.predict(vectorizer.transform([tagger.parse(body["texts"]).strip()]))[0]
            answer = json.dumps({"score": float(score)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            # Without a length, wrk opens a second connection for each response and drops it.
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    return Handler


def main() -> int:
    """Train if there is no model yet, then serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--corpus", type=Path, metavar="F", help="CSV with points and texts, to train on")
    parser.add_argument("--port", type=int, default=4568, metavar="N", help="port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--model", type=Path, default=Path("build/baseline"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    tagger = MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}")
    if not (options.model / "lightgbm.txt").exists():
        if not options.corpus:
            parser.error(f"no model in {options.model}; --corpus is required to train one")
        train(options.corpus, options.model, tagger, options.rounds)
    server = HTTPServer(("127.0.0.1", options.port), handler(*load(options.model), tagger))
    print(f"serving on 127.0.0.1:{options.port}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
