"""Train a bundle from a corpus of rated reviews.

    python train-corpus/train.py --corpus reviews.csv --bundle build/bundle

The bundle's path always holds a whole bundle: the old one until the new one is complete. The same corpus, seed and
library versions give the same bundle, byte for byte.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from fit import Stars, Tokens, fit, folds, predict
from metrics import Figures, measure, report, table
from numpy.typing import NDArray
from options import add_corpus_options, read_corpus
from recipe import Recipe
from tqdm import tqdm

from service import __version__
from service.corpus import CorpusError
from service.scoring.bundle import Trained, write
from service.scoring.errors import BundleError
from service.scoring.text import normalise
from service.scoring.tokens import Tokenizer
from service.settings import available_cores

FOLDS = 5
# Any review will do; this one has something good and something bad to say.
PROBE = "音は良いのですが、電池の持ちが悪くて残念です。"
_LIBRARIES = ("lightgbm", "mecab-python3", "ipadic", "scikit-learn", "numpy", "scipy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_corpus_options(parser)
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="where the bundle is put")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of folds and sampling (default: %(default)s)")
    parser.add_argument(
        "--group-column",
        default="",
        metavar="C",
        help="reviews with the same value (of one product, say) stay on one side of every split",
    )
    options = parser.parse_args(arguments)
    try:
        train(options)
    except (CorpusError, BundleError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


def train(options: argparse.Namespace) -> None:
    """Read, tokenise, cross-validate, fit on everything, write."""
    corpus = read_corpus(options, group_column=options.group_column)
    recipe = Recipe()
    tokenizer = Tokenizer()
    tokens = [
        tokenizer(normalise(review.text))
        for review in tqdm(corpus.reviews, desc="tokenise", unit="review", disable=None, leave=False)
    ]
    stars = np.array([review.stars for review in corpus.reviews])
    groups = [review.group for review in corpus.reviews]
    parts = set(groups) if any(groups) else range(len(stars))
    # Training on four fifths must itself be able to hold out fifths of groups.
    if len(parts) < 2 * FOLDS:
        raise CorpusError(
            f"training takes at least {2 * FOLDS} reviews, or groups of reviews; the corpus has {len(parts)}"
        )

    trained, figures, constant = fit_and_cross_validate(tokens, stars, groups, recipe, seed=options.seed)
    method = f"{FOLDS} folds" + (f" by {options.group_column}" if any(groups) else "")
    evaluation = report(len(stars), figures, constant)
    facts = {
        "version": __version__,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": asdict(recipe),
        "seed": options.seed,
        "corpus": {"fingerprint": corpus.fingerprint, "rows": len(stars), "mean_stars": float(stars.mean())},
        "evaluation": {"method": method, **evaluation},
    }
    write(replace(trained, facts=facts), tokenizer, options.bundle, probe=PROBE)
    print(f"{method}, {len(stars):,} reviews\n{table(evaluation)}\n{options.bundle} is ready")


def fit_and_cross_validate(
    tokens: Tokens, stars: Stars, groups: Sequence[str], recipe: Recipe, *, seed: int
) -> tuple[Trained, Figures, Figures]:
    """Return what was fitted on everything, and the figures on held-out reviews: the recipe's, and the training mean's.

    Vocabulary, idf, base and trees are fitted anew for each fold, on its training part alone. The fits run side by side
    in processes of one thread each: they wait for nothing, where threads of one fit wait for each other at every leaf.
    """
    splits = folds(stars, groups, FOLDS, seed=seed)
    predicted, constant = np.empty(len(stars)), np.empty(len(stars))
    # Spawned, not forked: LightGBM's threads do not survive a fork.
    with ProcessPoolExecutor(
        min(available_cores(), FOLDS + 1), get_context("spawn"), _share, (tokens, stars, groups, recipe, seed)
    ) as pool:
        whole = pool.submit(_fit_whole)  # first: it takes longest
        held_out = {pool.submit(_predict_held_out, *split): split for split in splits}
        fits: list[Future[Any]] = [whole, *held_out]
        for done in tqdm(as_completed(fits), total=FOLDS + 1, desc="fit", unit="fit", disable=None, leave=False):
            if done is not whole:
                fitted, rest = held_out[done]
                predicted[rest] = done.result()
                constant[rest] = stars[fitted].mean()
        # The folds' means differ a little; that is no ranking.
        return whole.result(), measure(stars, predicted), measure(stars, constant)._replace(spearman=0.0)


_shared: tuple[Tokens, Stars, Sequence[str], Recipe, int]


def _share(*everything: Any) -> None:
    """Keep in a new process what all its fits work on, so that it is sent once."""
    global _shared  # noqa: PLW0603
    _shared = everything


def _fit_whole() -> Trained:
    tokens, stars, groups, recipe, seed = _shared
    return fit(tokens, stars, groups, recipe, seed=seed)


def _predict_held_out(fitted: NDArray[np.int64], held_out: NDArray[np.int64]) -> Stars:
    tokens, stars, groups, recipe, seed = _shared
    trained = fit([tokens[i] for i in fitted], stars[fitted], [groups[i] for i in fitted], recipe, seed=seed)
    return predict(trained, [tokens[i] for i in held_out])


if __name__ == "__main__":
    sys.exit(main())
