"""The recipe of 2018, from which this project started, for comparison.

MeCab tokens, TF-IDF over one and two words, 10,000 features, and LightGBM with 450 trees of 270 leaves. Its idf was
fitted before the split; here it is fitted on the training part alone, like everything else.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from review_training.corpus.tokenized_corpus import Stars

ROUNDS = 450
PARAMETERS = {
    "objective": "regression",
    "metric": "rmse",
    "num_leaves": 270,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.75,
    "bagging_freq": 2,
    "learning_rate": 0.016,
    "verbose": -1,
}


def new_vectorizer(vocabulary: Sequence[str] | None = None) -> TfidfVectorizer:
    """Return the vectoriser, for texts of tokens joined by spaces; ``vocabulary`` is that of a fitted one."""
    return TfidfVectorizer(
        max_features=10_000,
        ngram_range=(1, 2),
        sublinear_tf=True,
        smooth_idf=False,
        dtype=np.float32,
        token_pattern=r"\w{1,}",  # noqa: S106
        vocabulary=vocabulary,
    )


def boost(rows: csr_matrix, stars: Stars, *, rounds: int = ROUNDS, **more: Any) -> lightgbm.Booster:
    """Return the trees for ``stars``, of shape ``(n,)``; ``more`` are further parameters of LightGBM."""
    parameters = {**PARAMETERS, **more}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, stars, params=parameters), rounds)


def fit_and_predict(texts: Sequence[str], stars: Stars, new_texts: Sequence[str], *, seed: int) -> Stars:
    """Return the stars, clipped to 1–5, that the recipe fitted on ``texts`` predicts for ``new_texts``.

    Texts are tokens joined by spaces.
    """
    vectorizer = new_vectorizer()
    # One thread: folds are fitted in parallel processes.
    booster = boost(vectorizer.fit_transform(texts), stars, force_col_wise=True, num_threads=1, seed=seed)
    predicted = booster.predict(vectorizer.transform(new_texts), num_threads=1)
    clipped: Stars = np.clip(np.asarray(predicted, np.float64), 1, 5)
    return clipped
