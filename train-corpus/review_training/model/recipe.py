"""The hyperparameters of training, in one flat block; the manifest of a bundle stores them all.

``train-corpus/tries.md`` lists the alternatives that were tried, with their figures.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters; a comment gives the reason for each that differs from the library's default."""

    # Single words miss 「悪く ない」; runs of three catch 「買わ ない 方」, and longer ones hardly repeat.
    longest_ngram: int = 3
    # A term of a single review says more about that review than about stars.
    min_document_frequency: int = 2
    # Bounds memory and the size of the bundle on large corpora; the most frequent terms stay.
    max_terms: int = 200_000
    # The exponent of idf: terms that are rare in reviews are praise or blame more often than common ones.
    idf_power: float = 1.5

    # The default of Ridge; on rows of length one, half of it fits noise.
    ridge_alpha: float = 1.0
    # Gives scores equal to 1e-6 wherever the solver runs; scikit-learn's default, 1e-4, is looser.
    ridge_tolerance: float = 1e-9
    # The trees start from out-of-fold predictions of the base; in-fold ones would leave nothing to learn.
    base_folds: int = 5

    # The seed corpus teaches the base words of praise and blame that a corpus of one shop lacks. One of its reviews
    # weighs less than one of the corpus, and they have an intercept of their own: a shop's stars are not balanced.
    seed_corpus_weight: float = 0.4
    seed_corpus_offset: float = 30.0

    # The trees see only terms that are frequent enough to split on, and the base's prediction, which they bend as well.
    booster_min_document_frequency: int = 100
    # Bounds LightGBM's memory on large corpora: it keeps half a byte for each term and review.
    booster_max_terms: int = 4_000
    # Small trees: deeper ones have a higher error, and each leaf costs time at every request. Their histograms
    # (16 bytes for each bin of each term, a leaf) take 114 MB at most, so max_bin and histogram_pool_size stay at
    # LightGBM's defaults.
    rounds: int = 100
    leaves: int = 7
    learning_rate: float = 0.05
    min_data_in_leaf: int = 50
    # Strong enough that even a few hundred reviews gain from the trees; thousands are not affected.
    lambda_l2: float = 50.0
    # Each tree sees half of the columns and three quarters of the reviews, so that no single word decides.
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.75
    bagging_freq: int = 2
    # Gives the same trees on any machine.
    deterministic: bool = True
    force_col_wise: bool = True
