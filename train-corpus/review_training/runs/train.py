"""Trains a bundle from a corpus of rated reviews.

    python train-corpus/train.py --corpus reviews.csv --bundle build/bundle

The path of the bundle always holds a whole bundle: the old one until the new one is complete. The same corpus, seed and
library versions give the same bundle, byte for byte.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from review_scorer.compute.cores import available_cores
from review_scorer.corpora.errors import CorpusError
from review_scorer.scoring.bundle import MANIFEST, write
from review_scorer.scoring.errors import BundleError
from review_training.card.render import render_card
from review_training.command import new_parser, run_command
from review_training.corpus.arguments import report_reading
from review_training.corpus.load import LoadedCorpus, load_corpus
from review_training.corpus.tokenized_corpus import TokenizedCorpus
from review_training.evaluation.cross_validation import (
    BUNDLE_SCOPE,
    FOLDS,
    ValidatedFit,
    fit_and_cross_validate,
    fit_and_hold_out,
)
from review_training.evaluation.rating_metrics import Figures
from review_training.model.backend import LocalBackend, SolverBackend
from review_training.model.recipe import Recipe
from review_training.model.term_support import count_term_support
from review_training.runs.facts import collect_facts, held_out_reviews
from review_training.runs.job import TrainingJob, add_arguments, training_job
from review_training.runs.lock import lock_bundle
from review_training.runs.workdir import UnfinishedError, open_workdir
from review_training.shards.map_shards import Mapper, process_mapper, timed

# Any review will do; this one has praise and blame.
PROBE = "音は良いのですが、電池の持ちが悪くて残念です。"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = new_parser("train.py", __doc__)
    add_arguments(parser)
    return run_command(parser, arguments, partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    train(training_job(parser, options))
    return 0


def train(job: TrainingJob) -> None:
    """Read, tokenise, fit, measure on held-out reviews, and write the bundle.

    Raises ``CorpusError``, ``BundleError`` or ``OSError``.
    """
    refuse_other_directories(job.bundle)
    job.tokenizer.tokenizer()  # reports unusable dictionaries before the work
    seconds: dict[str, float] = {}
    with (
        lock_bundle(job.bundle),
        open_workdir(job) as store,
        open_backend(job, seconds) as (map_shards, backend),
    ):
        loaded = load_corpus(
            store,
            job.corpus.sources,
            job.corpus.layout,
            seed_corpus_sources=job.seed_corpus,
            tokenizer=job.tokenizer,
            map_shards=map_shards,
            shard_size=job.shard_size,
        )
        corpus = loaded.corpus
        report_reading(job.corpus, reviews=len(corpus.stars), duplicates=loaded.duplicates, rejects=loaded.rejects)
        refuse_poor_corpora(corpus, job.corpus.layout.group_column)
        validated = fit_and_validate(job, corpus, map_shards, backend)
        write_bundle(job, loaded, validated, map_shards)
        if job.timings:
            job.timings.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
    print(f"{job.bundle} is ready")


@contextmanager
def open_backend(job: TrainingJob, seconds: dict[str, float]) -> Iterator[tuple[Mapper, SolverBackend]]:
    """Yield the mapper and the solver of this machine or of a cluster; they add to ``seconds`` how long steps take."""
    if job.cluster:
        # Imported here: training on one machine does not need Dask.
        from review_scorer.compute.dask_client import connect  # noqa: PLC0415
        from review_training.runs.dask_backend import DaskBackend, dask_mapper  # noqa: PLC0415

        cluster = job.cluster
        with connect(cluster.scheduler, workers=cluster.workers, timeout=cluster.timeout) as client:
            yield timed(dask_mapper(client), seconds), DaskBackend(client, seconds)
    else:
        with process_mapper(available_cores()) as mapper:
            map_shards = timed(mapper, seconds)
            yield map_shards, LocalBackend(map_shards, threads=available_cores())


def fit_and_validate(
    job: TrainingJob, corpus: TokenizedCorpus, map_shards: Mapper, backend: SolverBackend
) -> ValidatedFit:
    """Return the fit of the bundle, and predictions for held-out reviews."""
    if job.validation_of(len(corpus.stars)) == "folds":
        return fit_and_cross_validate(corpus, Recipe(), seed=job.seed, compare_original=job.compare_original)
    return fit_and_hold_out(corpus, Recipe(), seed=job.seed, map_shards=map_shards, backend=backend)


def write_bundle(job: TrainingJob, loaded: LoadedCorpus, validated: ValidatedFit, map_shards: Mapper) -> None:
    """Print the figures, and write the bundle with its model card. Raises ``UnfinishedError`` if the trees do harm."""
    facts = collect_facts(job, loaded, validated)
    evaluation, intervals = facts.evaluation, facts.intervals
    print(evaluation)
    refuse_harmful_trees(evaluation.figures["model"], evaluation.figures["linear"], allow=job.allow_worse)
    print(
        f"intervals: {intervals.coverage:.1%} of held-out stars inside, median width {intervals.median_width:.2f} stars"
    )
    trained = replace(validated.trained, intervals=intervals.intervals, facts=facts.as_dict())
    card = render_card(
        facts=facts,
        reviews=held_out_reviews(loaded.corpus, validated.measured),
        predictions=validated.held_out,
        trained=trained,
        support=count_term_support(loaded.corpus, BUNDLE_SCOPE, validated.fitted, map_shards),
    )
    write(trained, job.tokenizer.tokenizer(), job.bundle, probe=PROBE, extras=card)


def refuse_other_directories(bundle: Path) -> None:
    """Raise ``BundleError``, before the work, if the path of the bundle holds something else."""
    if bundle.exists() and not (bundle / MANIFEST).is_file():
        raise BundleError(f"{bundle} exists and is not a bundle; remove it or choose another path")


def refuse_poor_corpora(corpus: TokenizedCorpus, group_column: str) -> None:
    """Raise ``CorpusError`` if nothing can be learnt from the corpus."""
    if group_column and not corpus.has_groups:
        raise CorpusError(f"the column {group_column} is empty in all rows; choose another --group-column")
    # Each fold's training part must itself be split into folds of groups.
    if corpus.independent_units < 2 * FOLDS:
        raise CorpusError(f"training takes at least {2 * FOLDS} reviews, or groups of them")
    if corpus.stars.min() == corpus.stars.max():
        raise CorpusError(f"all reviews have {corpus.stars[0]:g} stars; training takes reviews of different stars")


def refuse_harmful_trees(model: Figures, linear: Figures, *, allow: bool) -> None:
    """Raise ``UnfinishedError`` if the trees make the linear base worse, which a faulty corpus may cause."""
    better = model.mae < linear.mae or model.qwk > linear.qwk
    if not allow and (not better or model.rmse > 1.01 * linear.rmse):
        raise UnfinishedError(
            "the trees make the linear base worse on held-out reviews, see the table; "
            "the bundle was not written (--allow-worse writes it nevertheless)"
        )
