"""Whether what a model says of its errors puts them in the right order."""

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, ShapeError
from dan.core.types import FloatArray


def roc_auc(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, ties counted half (area under the ROC).

    Args:
        scores: (K,) higher is more confident.
        positive: (K,) which of them are.

    Raises:
        ShapeError: if the shapes differ or one of the two kinds is missing.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    check_shape("scores", scores, ("K",))
    check_shape("positive", positive, (len(scores),))
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative or np.isnan(scores).any():
        raise ShapeError(
            f"roc: expected scores of both kinds and no NaN, got {n_positive} positive and "
            f"{n_negative} negative"
        )
    rank_sum = float(_ranks(scores)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def rank_correlation(stated: FloatArray, true: FloatArray) -> float:
    """Spearman's rank correlation, ties given the mean of their ranks: 1 if the order is the same.

    >>> rank_correlation(np.array([0.1, 0.2, 0.3, 0.3]), np.array([1.0, np.nan, 5.0, 7.0]))
    0.866

    Args:
        stated: any shape; how large each error is said to be.
        true: the same shape; how large it is. Pairs with a NaN do not count.

    Returns:
        -1..1; NaN where all that is stated or true is the same, or fewer than two pairs are known.

    Raises:
        ShapeError: if the shapes differ.
    """
    ranks = np.array([_ranks(values) for values in _known_pairs(stated, true)])
    if not ranks.size:
        return float("nan")
    stated_ranks, true_ranks = ranks - ranks.mean(axis=1, keepdims=True)
    spreads = np.linalg.norm(stated_ranks) * np.linalg.norm(true_ranks)
    return float(stated_ranks @ true_ranks / spreads) if spreads else float("nan")


def errors_over_dropped(
    errors: FloatArray, stated: FloatArray, shares: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Mean error of the points that remain when those of the largest stated error are dropped.

    This is a sparsification curve, and beside it the oracle's: the best that any order can reach
    (Ilg et al., Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow, ECCV 2018).
    Points with the same stated error count as their mean, as if dropped at random.

    >>> errors_over_dropped(np.array([[1.0, 4, 2, 9]]), np.array([[1.0, 2, 3, 4]]), [0, 0.25, 0.5])
    (array([4.  , 2.33, 2.5 ]), array([4.  , 2.33, 1.5 ]))

    Args:
        errors: (K, N) lengths of the errors; a point with a NaN here or in ``stated`` does not
            count.
        stated: (K, N) how large each is said to be, in any unit.
        shares: (S,) of the points that are dropped, 0 up to below 1; rounded to whole points, of
            which one remains.

    Returns:
        (S,) mean errors in the stated order, and (S,) in that of the errors themselves; NaN without
        points.

    Raises:
        ShapeError: if the shapes differ.
        ConfigError: if a share is out of range.
    """
    shares = np.asarray(shares, dtype=np.float64)
    check_shape("shares", shares, ("S",))
    if not ((shares >= 0) & (shares < 1)).all():
        raise ConfigError(f"shares: expected numbers from 0 to below 1, got {shares.tolist()}")
    stated, errors = _known_pairs(stated, errors)
    if not len(errors):
        return np.full(len(shares), np.nan), np.full(len(shares), np.nan)
    kept = np.maximum(len(errors) - np.rint(shares * len(errors)).astype(np.intp), 1)
    _, groups, counts = np.unique(stated, return_inverse=True, return_counts=True)
    of_ties = np.bincount(groups, errors) / counts  # means, in the stated order
    by_stated, by_error = (
        np.cumsum(values)[kept - 1] / kept
        for values in (np.repeat(of_ties, counts), np.sort(errors))
    )
    return by_stated, by_error


def _known_pairs(stated: FloatArray, true: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(M,) of each, those without a NaN in either."""
    stated, true = np.asarray(stated, np.float64), np.asarray(true, np.float64)
    check_shape("stated", stated, true.shape)
    known = ~(np.isnan(stated) | np.isnan(true))
    return stated[known], true[known]


def _ranks(values: FloatArray) -> FloatArray:
    """(K,) ranks of (K,) values, from 1; ties have the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
