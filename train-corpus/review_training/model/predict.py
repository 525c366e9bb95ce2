"""Predicts the stars of reviews with a fit whose steps are in the store, as the served scorer would."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.booster import Booster
from review_scorer.scoring.scorer import HIGHEST, LOWEST, Model, predict_base
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import Positions, ShardSelection, Stars, TokenizedCorpus
from review_training.model.fit import load_trained
from review_training.model.vectorize import load_selected_rows
from review_training.shards.map_shards import Mapper, map_serially
from review_training.shards.store import Store


class Predictions(NamedTuple):
    """For some reviews the stars of the model and of its linear base, and the vocabulary coverage, 0–1."""

    model: Stars
    linear: Stars
    vocabulary_coverage: NDArray[np.float64]


def predict(
    corpus: TokenizedCorpus, scope: str, positions: Positions, map_shards: Mapper = map_serially
) -> Predictions:
    """Return the predictions of the fit under ``scope`` for the corpus' reviews at ``positions``."""
    selections = [selection for selection in corpus.select(positions) if selection.mask.any()]
    predictions = map_shards(partial(_predict_shard, corpus.store, scope), selections, "predict")
    return Predictions(*(np.concatenate(column) for column in zip(*predictions, strict=True)))


def _predict_shard(store: Store, scope: str, selection: ShardSelection) -> Predictions:
    trained = load_trained(store, scope)
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    rows = load_selected_rows(store, scope, selection)
    base = predict_base(rows, trained.coefficients, trained.intercept)
    tokens = load_shard(store, selection.shard).tokens()
    coverage = [trained.vectorizer.vocabulary_coverage(tokens[at]) for at in np.flatnonzero(selection.mask).tolist()]
    return Predictions(model.predict(rows), np.clip(base, LOWEST, HIGHEST), np.array(coverage))
