"""The facts about a training that the manifest keeps and the model card shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from review_training.evaluation.evaluation import Evaluation
from review_training.evaluation.interval_calibration import CalibratedIntervals
from review_training.model.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """The reviews that were fitted on. ``embedded`` says that the corpus is the one that the project ships.

    ``fingerprint`` is the SHA-256 of all reviews of the corpus, in hex.
    """

    fingerprint: str
    rows: int
    mean_stars: float
    seed_corpus_rows: int
    embedded: bool


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Counts of held-out predictions by bin, against which serving measures drift."""

    score: Sequence[int]
    vocabulary_coverage: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """Versions, parameters, corpus and figures of a training."""

    version: str
    libraries: Mapping[str, str]
    parameters: Recipe
    seed: int
    corpus: CorpusFacts
    evaluation: Evaluation
    intervals: CalibratedIntervals
    distribution: Distribution

    def as_dict(self) -> dict[str, object]:
        """Return the entries of the manifest."""
        return {
            "version": self.version,
            "libraries": dict(self.libraries),
            "parameters": asdict(self.parameters),
            "seed": self.seed,
            "corpus": asdict(self.corpus),
            "evaluation": self.evaluation.as_dict(),
            "intervals": self.intervals.as_dict(),
            "distribution": asdict(self.distribution),
        }
