"""The command line of a training, parsed into one frozen value."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from review_scorer.corpora.locations import Location, expand
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_training.corpus.arguments import (
    CorpusInput,
    add_corpus_arguments,
    add_group_argument,
    corpus_input,
    integer_from,
)
from review_training.corpus.shards import SHARD_SIZE
from review_training.corpus.tokenize import TokenizerSpec
from review_training.evaluation.cross_validation import FOLDS
from review_training.evaluation.evaluation import Validation

EMBEDDED_REVIEWS = Path(__file__).parents[2] / "reviews.csv"
MOST_CROSS_VALIDATED = 50_000
"""Larger corpora are validated by one held-out part, unless another validation is asked for."""


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """A Dask scheduler (``tcp://…`` or ``local``), the number of workers to wait for, and for how many seconds."""

    scheduler: str
    workers: int | None
    timeout: float


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """Everything that a training depends on: its input, its output, and the steps in between.

    ``validation`` None depends on the size of the corpus; ``cluster`` None is this machine; ``work_dir`` is a path or
    URL, or empty for a directory beside the bundle.
    """

    corpus: CorpusInput
    seed_corpus: Sequence[Location]
    tokenizer: TokenizerSpec
    bundle: Path
    seed: int
    validation: Validation | None
    compare_original: bool
    allow_worse: bool
    cluster: ClusterSpec | None
    work_dir: str
    shard_size: int
    timings: Path | None

    def validation_of(self, reviews: int) -> Validation:
        """Return how a corpus of so many ``reviews`` is validated."""
        if self.validation:
            return self.validation
        return "part" if self.cluster or reviews > MOST_CROSS_VALIDATED else "folds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``training_job``."""
    add_corpus_arguments(parser, rejects_suffix="-rejects.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the directory to write")
    parser.add_argument(
        "--seed", type=integer_from(0), default=1, metavar="N", help="of folds and sampling (default: %(default)s)"
    )
    add_group_argument(parser, effect="keep on one side of every split the")
    parser.add_argument(
        "--dictionary",
        type=Path,
        default=DEFAULT_DICTIONARY,
        metavar="DIR",
        help="another compiled MeCab dictionary; serving then needs SCORER_DICTIONARY (default: IPADIC)",
    )
    parser.add_argument(
        "--user-dictionary", type=Path, metavar="FILE", help="a compiled user dictionary; it becomes part of the bundle"
    )
    seed_corpus = parser.add_mutually_exclusive_group()
    seed_corpus.add_argument(
        "--seed-corpus",
        type=Path,
        default=EMBEDDED_REVIEWS,
        metavar="F",
        help="additional reviews, with less weight (default: those that the project ships)",
    )
    seed_corpus.add_argument("--no-seed-corpus", action="store_true", help="learn from the corpus alone")
    parser.add_argument(
        "--compare-original",
        action="store_true",
        help="also cross-validate the recipe of 2018, which then takes most of the time",
    )
    parser.add_argument(
        "--validation",
        choices=("folds", "part"),
        help=f"measure by {FOLDS}-fold cross-validation, or on one part that the bundle is not fitted on "
        f"(default: folds up to {MOST_CROSS_VALIDATED:,} reviews)",
    )
    parser.add_argument(
        "--work-dir",
        default="",
        metavar="DIR",
        help="keeps finished steps until the bundle is written, so that training resumes after a kill "
        "(default: a directory beside the bundle)",
    )
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="tcp://…",
        help="train on this Dask cluster, or on a temporary one of this machine (`local`); all workers must reach "
        "--work-dir",
    )
    parser.add_argument(
        "--workers",
        type=integer_from(1),
        metavar="N",
        help="wait for N workers of the cluster (default: 1); with `local`, start N (default: one for each core)",
    )
    parser.add_argument(
        "--cluster-timeout",
        type=float,
        default=20,
        metavar="SECONDS",
        help="how long to wait for the scheduler, and then for the workers (default: %(default)s)",
    )
    parser.add_argument(
        "--shard-size",
        type=integer_from(1),
        default=SHARD_SIZE,
        metavar="N",
        help="reviews that a process holds in memory at once (default: %(default)s)",
    )
    parser.add_argument(
        "--timings", type=Path, metavar="F", help="write the seconds of each step to this file, as JSON"
    )
    parser.add_argument(
        "--allow-worse", action="store_true", help="write the bundle even if it is worse than its linear base"
    )


def training_job(parser: argparse.ArgumentParser, options: argparse.Namespace) -> TrainingJob:
    """Return the training that the options ask for.

    Exits with a message of ``parser`` for options that exclude each other; raises ``CorpusError`` for a file that does
    not exist.
    """
    if options.scheduler and options.validation == "folds":
        parser.error("--validation folds runs on one machine; with --scheduler one part is held out")
    if options.scheduler not in {"", "local"} and not options.work_dir:
        parser.error("--scheduler needs --work-dir: a directory or URL that this machine and all workers reach")
    cluster = ClusterSpec(scheduler=options.scheduler, workers=options.workers, timeout=options.cluster_timeout)
    return TrainingJob(
        corpus=corpus_input(options, bundle=options.bundle, group_column=options.group_column),
        seed_corpus=[] if options.no_seed_corpus else expand(str(options.seed_corpus)),
        tokenizer=TokenizerSpec(options.dictionary, options.user_dictionary),
        bundle=options.bundle,
        seed=options.seed,
        validation=options.validation,
        compare_original=options.compare_original,
        allow_worse=options.allow_worse,
        cluster=cluster if options.scheduler else None,
        work_dir=options.work_dir,
        shard_size=options.shard_size,
        timings=options.timings,
    )
