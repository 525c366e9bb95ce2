"""Splits reviews into training and held-out parts, by group where there are groups."""

from collections.abc import Sequence

from sklearn.model_selection import GroupKFold, KFold

from review_training.corpus.tokenized_corpus import Positions, Stars


def split_folds(stars: Stars, groups: Sequence[str], count: int, *, seed: int) -> list[tuple[Positions, Positions]]:
    """Return ``count`` splits into (training, held-out) positions; a group is never on both sides of a split.

    Raises ``ValueError`` when there are fewer reviews or groups than folds.
    """
    if any(groups):
        splits = GroupKFold(count, shuffle=True, random_state=seed).split(stars, groups=list(groups))
    else:
        splits = KFold(count, shuffle=True, random_state=seed).split(stars)
    return list(splits)
