"""The recipe of the system that this project grew out of, for comparison.

MeCab tokens, TF-IDF over one and two words, 10,000 features, and LightGBM with 450 trees of 270 leaves. Its idf was
fitted before the split; here it is fitted on the training part alone, as everything is.
"""

from collections.abc import Sequence

import lightgbm
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from review_training.corpus.tokenized_corpus import Stars

Tokens = Sequence[Sequence[str]]
ROUNDS = 450
PARAMETERS = {
    "objective": "regression",
    "num_leaves": 270,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.75,
    "bagging_freq": 2,
    "learning_rate": 0.016,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def fit_and_predict(own: Tokens, own_stars: Stars, tokens: Tokens, *, seed: int) -> Stars:
    """Return the stars, clipped to 1–5, that the recipe fitted on ``own`` gives to texts, shape ``(n,)``."""
    vectorizer = TfidfVectorizer(
        max_features=10_000,
        ngram_range=(1, 2),
        sublinear_tf=True,
        smooth_idf=False,
        dtype=np.float32,
        token_pattern=r"\w{1,}",  # noqa: S106
    )
    matrix = vectorizer.fit_transform([" ".join(text) for text in own])
    parameters = {**PARAMETERS, "seed": seed}
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, own_stars, params=parameters), ROUNDS)
    predicted = booster.predict(vectorizer.transform([" ".join(text) for text in tokens]), num_threads=1)
    stars: Stars = np.clip(np.asarray(predicted, np.float64), 1, 5)
    return stars
