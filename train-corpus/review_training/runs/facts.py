"""Collects the facts about a training: versions, corpus, figures on held-out reviews."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

from review_scorer import __version__
from review_scorer.scoring.distribution import COVERAGE_EDGES, SCORE_EDGES, count
from review_training.card.measure import HeldOutReviews
from review_training.corpus.load import LoadedCorpus
from review_training.corpus.tokenized_corpus import Positions, TokenizedCorpus
from review_training.evaluation.cross_validation import ValidatedFit
from review_training.evaluation.evaluation import Evaluation
from review_training.evaluation.interval_calibration import calibrate_and_measure
from review_training.evaluation.rating_metrics import measure
from review_training.evaluation.training_facts import CorpusFacts, Distribution, TrainingFacts
from review_training.model.recipe import Recipe
from review_training.runs.job import EMBEDDED_REVIEWS, TrainingJob

_LIBRARIES = ("lightgbm", "mecab-python3", "ipadic", "scikit-learn", "numpy", "scipy")


def collect_facts(job: TrainingJob, loaded: LoadedCorpus, validated: ValidatedFit) -> TrainingFacts:
    """Return the facts that the manifest keeps and the model card shows."""
    corpus, predictions = loaded.corpus, validated.held_out
    fitted = corpus.stars[validated.fitted]
    measured = corpus.stars[validated.measured]
    return TrainingFacts(
        version=__version__,
        libraries={name: version(name) for name in _LIBRARIES},
        parameters=Recipe(),
        seed=job.seed,
        corpus=CorpusFacts(
            fingerprint=loaded.fingerprint,
            rows=len(fitted),
            mean_stars=float(fitted.mean()),
            seed_corpus_rows=len(corpus.seed_corpus_stars),
            embedded=[Path(str(source)).resolve() for source in job.corpus.sources] == [EMBEDDED_REVIEWS.resolve()],
        ),
        evaluation=evaluate_held_out(job, corpus, validated),
        intervals=calibrate_and_measure(predictions.model, measured, predictions.fold),
        distribution=Distribution(
            score=count(predictions.model.tolist(), SCORE_EDGES),
            vocabulary_coverage=count(predictions.vocabulary_coverage.tolist(), COVERAGE_EDGES),
        ),
    )


def evaluate_held_out(job: TrainingJob, corpus: TokenizedCorpus, validated: ValidatedFit) -> Evaluation:
    """Return the figures of each predictor on the held-out reviews."""
    stars = corpus.stars[validated.measured]
    figures = {name: measure(stars, predicted) for name, predicted in validated.held_out.by_predictor().items()}
    # The means of the folds differ a little, and would rank reviews by their fold.
    figures["constant"] = figures["constant"]._replace(spearman=0.0)
    return Evaluation(
        kind=validated.kind,
        folds=validated.folds,
        group=job.corpus.layout.group_column,
        rows=len(stars),
        figures=figures,
    )


def held_out_reviews(corpus: TokenizedCorpus, positions: Positions) -> HeldOutReviews:
    """Return stars, groups and lengths of the corpus' reviews at ``positions``."""
    characters = np.concatenate([corpus.store.load(shard, "characters")[0] for shard in corpus.shards])
    groups = [corpus.groups[at] for at in positions.tolist()]
    return HeldOutReviews(corpus.stars[positions], groups, characters[positions])
