"""Train a bundle from a corpus of rated reviews.

    python train-corpus/train.py --corpus reviews.csv --bundle build/bundle

The bundle's path always holds a whole bundle: the old one until the new one is complete. The same corpus, seed and
library versions give the same bundle, byte for byte.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import card
import numpy as np
from conformal import certainty
from crossvalidation import FOLDS, fit_and_cross_validate, parts
from fit import Reviews
from metrics import Figures, measure, report, table
from options import add_corpus_options, read_corpus
from recipe import Recipe
from tqdm import tqdm

from service import __version__
from service.corpus import CorpusError, Layout, Review, read
from service.scoring.bundle import write
from service.scoring.certainty import Certainty
from service.scoring.distribution import KNOWN_EDGES, SCORE_EDGES, count
from service.scoring.errors import BundleError
from service.scoring.text import normalise
from service.scoring.tokens import DEFAULT_DICTIONARY, Tokenizer

PRIOR = Path(__file__).with_name("reviews.csv")
# Any review will do; this one has something good and something bad to say.
PROBE = "音は良いのですが、電池の持ちが悪くて残念です。"
_LIBRARIES = ("lightgbm", "mecab-python3", "ipadic", "scikit-learn", "numpy", "scipy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_corpus_options(parser, rejects="-rejects.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="where the bundle is put")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of folds and sampling (default: %(default)s)")
    parser.add_argument(
        "--group-column",
        default="",
        metavar="C",
        help="reviews with the same value (of one product, say) stay on one side of every split",
    )
    parser.add_argument(
        "--dictionary",
        type=Path,
        default=DEFAULT_DICTIONARY,
        metavar="DIR",
        help="another compiled MeCab dictionary; serving then takes SCORER_DICTIONARY (default: IPADIC)",
    )
    parser.add_argument(
        "--user-dictionary", type=Path, metavar="FILE", help="a compiled user dictionary; the bundle carries it"
    )
    prior = parser.add_mutually_exclusive_group()
    prior.add_argument(
        "--prior",
        type=Path,
        default=PRIOR,
        metavar="F",
        help="reviews that help the corpus (default: the embedded ones)",
    )
    prior.add_argument("--no-prior", action="store_true", help="learn from the corpus alone")
    parser.add_argument(
        "--no-original",
        dest="original",
        action="store_false",
        help="do not compare with the original recipe, which takes most of the time",
    )
    parser.add_argument(
        "--allow-worse", action="store_true", help="write the bundle even if it is worse than its linear base"
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
    tokenizer = Tokenizer(options.dictionary, user_dictionary=options.user_dictionary)
    own = prepare(corpus.reviews, tokenizer)
    # Training on four fifths must itself be able to hold out fifths of groups.
    if parts(own.groups, len(own.stars)) < 2 * FOLDS:
        raise CorpusError(f"training takes at least {2 * FOLDS} reviews, or groups of them")
    texts = {review.text for review in corpus.reviews}
    # A review of the corpus itself may not come back through the prior: it would be fitted on while it is held out.
    prior = prepare([review for review in read_prior(options) if review.text not in texts], tokenizer)

    trained, held_out = fit_and_cross_validate(own, prior, recipe, seed=options.seed, original=options.original)
    figures = {
        name: measure(own.stars, predicted)._replace(**({"spearman": 0.0} if name == "constant" else {}))
        for name, predicted in held_out._asdict().items()
        if name in {"model", "linear", "constant", "original"} and predicted is not None
    }
    method = f"{FOLDS} folds" + (f" by {options.group_column}" if any(own.groups) else "")
    print(f"{method}, {len(own.stars):,} reviews\n{table(figures)}")
    refuse_worse(figures["model"], figures["linear"], allow=options.allow_worse)
    sure = certainty(held_out.model, own.stars, held_out.fold)
    print(f"intervals: {sure['coverage']:.1%} of held-out stars inside, median width {sure['median_width']:.2f} stars")
    trained = replace(trained, certainty=Certainty(*(sure[name] for name in Certainty._fields)))
    facts = {
        "version": __version__,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": asdict(recipe),
        "seed": options.seed,
        "corpus": {
            "fingerprint": corpus.fingerprint,
            "rows": len(own.stars),
            "mean_stars": float(own.stars.mean()),
            "prior_rows": len(prior.stars),
            "embedded": [path.resolve() for path in options.corpus] == [PRIOR.resolve()],
        },
        "evaluation": {"method": method, **report(len(own.stars), figures)},
        "certainty": sure,
        # Counts by bin of what was said of held-out reviews, to notice when what is scored looks otherwise.
        "distribution": {
            "score": count(held_out.model.tolist(), SCORE_EDGES),
            "known_share": count(held_out.known.tolist(), KNOWN_EDGES),
        },
    }
    texts_in_order = [review.text for review in corpus.reviews]
    cards = card.render(facts=facts, texts=texts_in_order, own=own, held_out=held_out, trained=trained)
    write(replace(trained, facts=facts), tokenizer, options.bundle, probe=PROBE, extras=cards)
    print(f"{options.bundle} is ready")


def prepare(reviews: Sequence[Review], tokenizer: Tokenizer) -> Reviews:
    """Return the reviews as tokens and arrays."""
    progress = tqdm(reviews, desc="tokenise", unit="review", disable=None, leave=False)
    tokens = [tokenizer(normalise(review.text)) for review in progress]
    return Reviews(tokens, np.array([review.stars for review in reviews]), [review.group for review in reviews])


def read_prior(options: argparse.Namespace) -> Sequence[Review]:
    """Return the reviews that help a corpus: the embedded ones, unless others or none were asked for."""
    return [] if options.no_prior else read([options.prior], Layout()).reviews


def refuse_worse(model: Figures, linear: Figures, *, allow: bool) -> None:
    """Raise ``CorpusError`` when the trees make the linear base worse: then something is wrong with the corpus."""
    better = model.mae < linear.mae or model.qwk > linear.qwk
    if not allow and (not better or model.rmse > 1.01 * linear.rmse):
        raise CorpusError(
            "the trees make the linear base worse on held-out reviews, see the table; "
            "the bundle was not written (--allow-worse writes it all the same)"
        )


if __name__ == "__main__":
    sys.exit(main())
