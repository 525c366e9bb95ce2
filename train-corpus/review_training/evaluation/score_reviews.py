"""Scores many texts with one or several scorers."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from review_scorer.scoring.scorer import Scorer
from review_training.corpus.tokenized_corpus import Stars

_BATCH = 1_000


def score_reviews(scorers: Sequence[Scorer], texts: Sequence[str]) -> list[Stars]:
    """Return the stars that each scorer predicts for the texts, each of shape ``(n,)``."""
    stars: list[list[float]] = [[] for _ in scorers]
    with tqdm(total=len(texts), desc="score", unit="review", disable=None, leave=False) as progress:
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            for predicted, scorer in zip(stars, scorers, strict=True):
                predicted.extend(scorer.score_many(batch))
            progress.update(len(batch))
    return [np.array(predicted) for predicted in stars]
