"""Train a bundle from a corpus of rated reviews.

    python train-corpus/train.py --corpus reviews.csv --bundle build/bundle

The bundle's path always holds a whole bundle: the old one until the new one is complete. The same corpus, seed and
library versions give the same bundle, byte for byte.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from review_scorer import __version__
from review_scorer.compute.cores import available_cores
from review_scorer.compute.dask_client import ClusterError
from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.locations import Location, expand
from review_scorer.scoring.bundle import MANIFEST, write
from review_scorer.scoring.distribution import COVERAGE_EDGES, SCORE_EDGES, count
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.intervals import Intervals
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_training.card import render
from review_training.card.numbers import Reviews
from review_training.corpus.load import Gathered, gather
from review_training.corpus.options import add_corpus_options, layout_of, sources_of, tell, whole_number
from review_training.corpus.shards import SHARD
from review_training.corpus.tokenize import TokenizerSpec
from review_training.corpus.tokenized_corpus import Corpus, Positions
from review_training.evaluation.cross_validation import (
    FOLDS,
    WHOLE,
    Validated,
    fit_and_cross_validate,
    fit_and_hold_out,
    parts,
)
from review_training.evaluation.interval_calibration import certainty
from review_training.evaluation.rating_metrics import Figures, measure, report, table
from review_training.model.fit import LocalBackend, SolverBackend, support
from review_training.model.recipe import Recipe
from review_training.runs.lock import alone
from review_training.runs.workdir import UnfinishedError, work_for
from review_training.shards.map_shards import Mapper, processes, timed

PRIOR = Path(__file__).parents[2] / "reviews.csv"
# Any review will do; this one has something good and something bad to say.
PROBE = "音は良いのですが、電池の持ちが悪くて残念です。"
MOST_FOLDED = 50_000
_LIBRARIES = ("lightgbm", "mecab-python3", "ipadic", "scikit-learn", "numpy", "scipy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_corpus_options(parser, rejects="-rejects.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="where the bundle is put")
    parser.add_argument(
        "--seed", type=whole_number(0), default=1, metavar="N", help="of folds and sampling (default: %(default)s)"
    )
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
    prior.add_argument("--no-seed-corpus", action="store_true", help="learn from the corpus alone")
    parser.add_argument(
        "--no-original",
        dest="original",
        action="store_false",
        help="do not compare with the original recipe, which takes most of the time",
    )
    parser.add_argument(
        "--validation",
        choices=("folds", "part"),
        help=f"measure by {FOLDS}-fold cross-validation, or on one part that the bundle is not fitted on "
        f"(default: folds up to {MOST_FOLDED:,} reviews)",
    )
    parser.add_argument(
        "--work",
        default="",
        metavar="DIR",
        help="where finished steps are kept until the bundle is written, so that training goes on after a kill "
        "(default: beside the bundle)",
    )
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="tcp://…",
        help="train on this Dask cluster, or on one made here (`local`); --work is then what all its workers reach",
    )
    parser.add_argument(
        "--workers",
        type=whole_number(1),
        metavar="N",
        help="begin once the cluster has so many workers (default: one); of `local`, how many (default: one a core)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=20,
        metavar="SECONDS",
        help="how long to wait for the scheduler, and then for the workers (default: %(default)s)",
    )
    parser.add_argument(
        "--shard",
        type=whole_number(1),
        default=SHARD,
        metavar="N",
        help="reviews that a process holds at once (default: %(default)s)",
    )
    parser.add_argument("--timings", type=Path, metavar="F", help="where the seconds of each step are written, as JSON")
    parser.add_argument(
        "--allow-worse", action="store_true", help="write the bundle even if it is worse than its linear base"
    )
    options = parser.parse_args(arguments)
    if options.scheduler and options.validation == "folds":
        parser.error("--validation folds runs on one machine; with --scheduler one part is held out")
    if options.scheduler not in {"", "local"} and not options.work:
        parser.error("--scheduler takes --work: a directory or URL that this machine and all workers reach")
    try:
        train(options)
    except (ClusterError, CorpusError, BundleError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def train(options: argparse.Namespace) -> None:
    """Read, tokenise, fit, measure on what was held out, write; in a work directory that is gone afterwards."""
    refuse_other_directories(options.bundle)
    words = TokenizerSpec(options.dictionary, options.user_dictionary)
    words.tokenizer()  # what ails the dictionaries is told before the work
    sources, prior = sources_of(options), [] if options.no_seed_corpus else expand(str(options.prior))
    seconds: dict[str, float] = {}
    with (
        alone(options.bundle),
        work_for(options, sources, prior) as store,
        machines(options, seconds) as (spread, machine),
    ):
        gathered = gather(
            store,
            sources,
            layout_of(options, group_column=options.group_column),
            prior=prior,
            words=words,
            spread=spread,
            shard=options.shard,
        )
        corpus = gathered.corpus
        tell(options, len(corpus.stars), gathered.duplicates, gathered.rejects)
        if options.group_column and not any(corpus.groups):
            raise CorpusError(
                f"no review has anything in the column {options.group_column}; name it with --group-column"
            )
        # Training on four fifths must itself be able to hold out fifths of groups.
        if parts(corpus.groups, len(corpus.stars)) < 2 * FOLDS:
            raise CorpusError(f"training takes at least {2 * FOLDS} reviews, or groups of them")
        if corpus.stars.min() == corpus.stars.max():
            raise CorpusError(f"all reviews have {corpus.stars[0]:g} stars; there is nothing to learn from them")
        validated = fit_and_validate(corpus, options, spread, machine)
        finish(options, sources, gathered, validated, words, spread)
        if options.timings:
            options.timings.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
    print(f"{options.bundle} is ready")


@contextmanager
def machines(options: argparse.Namespace, seconds: dict[str, float]) -> Iterator[tuple[Mapper, SolverBackend]]:
    """Give what the steps are spread over, and what solves and boosts: this machine, or a cluster."""
    if options.scheduler:
        # Imported here: training on one machine does without Dask.
        from review_scorer.compute.dask_client import connect  # noqa: PLC0415
        from review_training.runs.dask_backend import Cluster, over  # noqa: PLC0415

        with connect(options.scheduler, workers=options.workers, timeout=options.patience) as client:
            yield timed(over(client), seconds), Cluster(client, seconds)
    else:
        with processes(available_cores()) as spread_out:
            spread = timed(spread_out, seconds)
            yield spread, LocalBackend(spread, threads=available_cores())


def fit_and_validate(corpus: Corpus, options: argparse.Namespace, spread: Mapper, machine: SolverBackend) -> Validated:
    """Return what was fitted and what was held out, in the way that was asked for or suits the corpus' size."""
    if folded(corpus, options):
        return fit_and_cross_validate(corpus, Recipe(), seed=options.seed, original=options.original)
    return fit_and_hold_out(corpus, Recipe(), seed=options.seed, spread=spread, machine=machine)


def folded(corpus: Corpus, options: argparse.Namespace) -> bool:
    """Return whether to cross-validate."""
    if options.validation or options.scheduler:
        return bool(options.validation == "folds")
    return len(corpus.stars) <= MOST_FOLDED


def finish(
    options: argparse.Namespace,
    sources: Sequence[Location],
    gathered: Gathered,
    validated: Validated,
    words: TokenizerSpec,
    spread: Mapper,
) -> None:
    """Print the figures, draw the card, write the bundle. Raises ``UnfinishedError`` where the trees do harm."""
    corpus, held_out = gathered.corpus, validated.held_out
    stars = corpus.stars[validated.measured]
    figures = {
        name: measure(stars, predicted)._replace(**({"spearman": 0.0} if name == "constant" else {}))
        for name, predicted in held_out._asdict().items()
        if name in {"model", "linear", "constant", "original"} and predicted is not None
    }
    method = f"{FOLDS} folds" if folded(corpus, options) else "one part held out"
    method += f" by {options.group_column}" if any(corpus.groups) else ""
    print(f"{method}, {len(stars):,} reviews\n{table(figures)}")
    refuse_worse(figures["model"], figures["linear"], allow=options.allow_worse)
    sure = certainty(held_out.model, stars, held_out.fold)
    print(f"intervals: {sure['coverage']:.1%} of held-out stars inside, median width {sure['median_width']:.2f} stars")
    facts = facts_of(options, sources, gathered, validated, {"method": method, **report(len(stars), figures)}, sure)
    trained = replace(validated.trained, intervals=Intervals(*(sure[name] for name in Intervals._fields)), facts=facts)
    cards = render.render(
        facts=facts,
        own=reviews_at(corpus, validated.measured),
        held_out=held_out,
        trained=trained,
        support=support(corpus, WHOLE, validated.fitted, spread),
    )
    write(trained, words.tokenizer(), options.bundle, probe=PROBE, extras=cards)


def facts_of(
    options: argparse.Namespace,
    sources: Sequence[Location],
    gathered: Gathered,
    validated: Validated,
    evaluation: Mapping[str, Any],
    sure: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the manifest says of the training, apart from the files."""
    corpus, held_out = gathered.corpus, validated.held_out
    fitted = corpus.stars[validated.fitted]
    return {
        "version": __version__,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": asdict(Recipe()),
        "seed": options.seed,
        "corpus": {
            "fingerprint": gathered.fingerprint,
            "rows": len(fitted),
            "mean_stars": float(fitted.mean()),
            "prior_rows": len(corpus.prior_stars),
            "embedded": [Path(str(source)).resolve() for source in sources] == [PRIOR.resolve()],
        },
        "evaluation": evaluation,
        "certainty": sure,
        # Counts by bin of what was said of held-out reviews, to notice when what is scored looks otherwise.
        "distribution": {
            "score": count(held_out.model.tolist(), SCORE_EDGES),
            "vocabulary_coverage": count(held_out.known.tolist(), COVERAGE_EDGES),
        },
    }


def reviews_at(corpus: Corpus, positions: Positions) -> Reviews:
    """Return what the card says of the own reviews at ``positions``."""
    characters = np.concatenate([corpus.store.load(shard, "characters")[0] for shard in corpus.own])
    return Reviews(corpus.stars[positions], [corpus.groups[at] for at in positions.tolist()], characters[positions])


def refuse_other_directories(bundle: Path) -> None:
    """Raise ``BundleError`` when something else is where the bundle is to go: before the work, not after it."""
    if bundle.exists() and not (bundle / MANIFEST).is_file():
        raise BundleError(f"{bundle} exists and is not a bundle; remove it or choose another path")


def refuse_worse(model: Figures, linear: Figures, *, allow: bool) -> None:
    """Raise ``UnfinishedError`` when the trees make the linear base worse: then something is wrong with the corpus."""
    better = model.mae < linear.mae or model.qwk > linear.qwk
    if not allow and (not better or model.rmse > 1.01 * linear.rmse):
        raise UnfinishedError(
            "the trees make the linear base worse on held-out reviews, see the table; "
            "the bundle was not written (--allow-worse writes it all the same)"
        )
