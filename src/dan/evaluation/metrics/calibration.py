"""How far a confidence can be trusted: ranking (ROC) and calibration (reliability)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ShapeError
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
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # from 1, the mean of ties
    rank_sum = float(ranks[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed shares, in bins of equal width.

    Attributes:
        predicted: (bins,) mean confidence, NaN where the bin is empty.
        observed: (bins,) share that was good, likewise.
        counts: (bins,) how many.
    """

    predicted: FloatArray
    observed: FloatArray
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, confidence: FloatArray, good: npt.NDArray[np.bool_], n_bins: int = 10
    ) -> Reliability:
        """Reliability of (K,) confidences, 0..1, against what turned out (K,)."""
        confidence, good = np.asarray(confidence, np.float64), np.asarray(good, bool)
        check_shape("confidence", confidence, ("K",))
        check_shape("good", good, (len(confidence),))
        if not len(confidence) or not ((confidence >= 0) & (confidence <= 1)).all():
            raise ShapeError("confidence: expected at least one value, all of 0..1")
        bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins)
        with np.errstate(invalid="ignore"):
            predicted = np.bincount(bins, confidence, n_bins) / counts
            observed = np.bincount(bins, good, n_bins) / counts
        return cls(predicted, observed, counts)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean gap of the two, weighted by the bins' counts."""
        gaps = np.abs(np.nan_to_num(self.predicted - self.observed))
        return float((gaps * self.counts).sum() / self.counts.sum())
