"""Whether a confidence is the share that turns out good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ShapeError
from dan.core.types import FloatArray


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
