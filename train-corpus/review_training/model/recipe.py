"""What training does, in one flat block. The value is stored in the bundle's manifest, every field of it.

tries.md lists what was tried, and what it gave.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters; beside each that is no library's default, why."""

    # Words alone miss 「悪く ない」; runs of three catch 「買わ ない 方」, and longer ones hardly repeat.
    longest_ngram: int = 3
    # A term of a single review says more about that review than about stars.
    min_document_frequency: int = 2
    # Bounds memory and the bundle on large corpora; the most frequent terms stay.
    max_terms: int = 200_000
    # idf to this power: what is rare in reviews is more often praise or blame than what is common.
    idf_power: float = 1.5

    # Ridge's own default; on rows of length one, half of it fits noise.
    ridge_alpha: float = 1.0
    # Scores equal to 1e-6 wherever the solver runs; scikit-learn's default, 1e-4, is looser.
    ridge_tolerance: float = 1e-9
    # The trees start from what the base says of reviews it was not fitted on, or there is nothing left to learn.
    base_folds: int = 5

    # The embedded reviews teach the base words of praise and blame that a corpus of one shop lacks. One of them counts
    # for less than one of the corpus' own, and their mean is their own: a shop's stars are not in equal parts.
    prior_weight: float = 0.4
    prior_offset: float = 30.0

    # The trees see only terms that are frequent enough to split on, and the base's own score: they bend it as well.
    booster_min_document_frequency: int = 100
    # Bounds LightGBM's memory on large corpora: it keeps half a byte for each term and review.
    booster_max_terms: int = 4_000
    # Small trees: deeper ones have a higher error, and each leaf costs time at every request. Of their histograms
    # (16 bytes for each bin of each term, a leaf) there are 114 MB at most, so max_bin and histogram_pool_size stay
    # LightGBM's own.
    rounds: int = 100
    leaves: int = 7
    learning_rate: float = 0.05
    min_data_in_leaf: int = 50
    # Held back so far that even a few hundred reviews gain from the trees; thousands do not notice.
    lambda_l2: float = 50.0
    # Each tree sees half of the columns and three quarters of the reviews, so that no single word decides.
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.75
    bagging_freq: int = 2
    # The same trees on any machine.
    deterministic: bool = True
    force_col_wise: bool = True
