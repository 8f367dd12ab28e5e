"""What a model says of its points' errors and visibility, beside what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dan.core.types import FloatArray
from dan.evaluation.metrics import (
    Normaliser,
    ellipse_coverage,
    errors_over_dropped,
    normaliser_lengths,
    plain_values,
    rank_correlation,
    roc_auc,
)
from dan.evaluation.per_face import regions_of
from dan.evaluation.predictions import Predictions
from dan.evaluation.protocol import SubsetPredictions
from dan.evaluation.tables import Table

SHARES = (0.5, 0.68, 0.95)
"""Of the errors, that ellipses should hold."""

ALL = "all"
"""The points of all regions, and of none."""

DROPPED = tuple(step / 20 for step in range(20))
"""Shares of the points at which the curve of the mean error is told."""


@dataclass(frozen=True)
class CertaintyScore:
    """How true what a model states of the points after the last stage is; NaN where nothing is.

    The true error of a point is its distance to the true one; the stated one is the square root of
    the trace of the covariance, that is, of the mean square of the distance. Both are over the
    normaliser of the face, or all points of large pictures would come first in either order.

    Attributes:
        n_points: those of known error that the model states a covariance of.
        shares: of the errors, that ellipses should hold.
        coverage_percent: region, or :data:`ALL` -> errors within the ellipse of each share.
        rank_of_points: Spearman's correlation of stated and true error, of all points.
        rank_of_faces: of the means of both over the points of each face.
        dropped: shares of the points.
        remaining_percent: mean error of those that remain when so many are dropped, those of the
            largest stated error first.
        ideal_percent: likewise, but those of the largest true error first.
        visibility_roc_auc: points that are seen against all others, covered or without a position;
            NaN where the model states no visibility, or no point of the subset is covered, so that
            nobody says which are seen.
    """

    subset: str
    box_source: str
    normaliser: Normaliser
    n_points: int
    shares: tuple[float, ...]
    coverage_percent: dict[str, tuple[float, ...]]
    rank_of_points: float
    rank_of_faces: float
    dropped: tuple[float, ...]
    remaining_percent: tuple[float, ...]
    ideal_percent: tuple[float, ...]
    visibility_roc_auc: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; None for a figure that is NaN."""
        return plain_values(self)


def certainty_scores(parts: Sequence[SubsetPredictions]) -> list[CertaintyScore]:
    """Of each subset; none of models that state neither covariance nor visibility.

    Raises:
        DegenerateShapeError: if a covariance is not positive definite.
    """
    return [
        _score_of(part)
        for part in parts
        if part.predictions.covariance is not None or part.predictions.visibility is not None
    ]


def _score_of(part: SubsetPredictions) -> CertaintyScore:
    predictions = part.predictions
    covariance = predictions.covariance
    if covariance is None:
        covariance = np.full((*predictions.truth.shape, 2), np.nan, dtype=np.float32)
    offsets = predictions.estimates[-1] - predictions.truth
    offsets[np.isnan(covariance).any(axis=(2, 3))] = np.nan
    regions = {ALL: list(range(predictions.scheme.n_landmarks)), **regions_of(predictions.scheme)}
    coverage = {
        name: ellipse_coverage(offsets[:, places], covariance[:, places], SHARES).of_all
        for name, places in regions.items()
    }
    kind = predictions.normalisers[0]
    lengths = normaliser_lengths(predictions.truth, predictions.scheme, kind)[:, None]
    true = np.linalg.norm(offsets, axis=2) / lengths
    stated = np.sqrt(np.trace(covariance, axis1=2, axis2=3)) / lengths
    stated[np.isnan(true)] = np.nan
    remaining, ideal = errors_over_dropped(true, stated, DROPPED)
    return CertaintyScore(
        part.subset,
        part.box_source,
        kind,
        n_points=int((~np.isnan(true)).sum()),
        shares=SHARES,
        coverage_percent={name: _percent(values) for name, values in coverage.items()},
        rank_of_points=rank_correlation(stated, true),
        rank_of_faces=rank_correlation(_means(stated), _means(true)),
        dropped=DROPPED,
        remaining_percent=_percent(remaining),
        ideal_percent=_percent(ideal),
        visibility_roc_auc=_visibility_auc(predictions),
    )


def _visibility_auc(predictions: Predictions) -> float:
    if predictions.visibility is None or not predictions.covered.any():
        return float("nan")
    told = ~np.isnan(predictions.visibility)
    seen = predictions.seen[told]
    if seen.all() or not seen.any():
        return float("nan")
    return roc_auc(predictions.visibility[told], seen)


def _means(values: FloatArray) -> FloatArray:
    """(F,) means of the known ones of (F, N); NaN where none is."""
    known = (~np.isnan(values)).sum(axis=1)
    means: FloatArray = np.nansum(values, axis=1) / np.where(known, known, np.nan)
    return means


def _percent(shares: FloatArray) -> tuple[float, ...]:
    return tuple((100 * shares).tolist())


def certainty_table(scores: Sequence[CertaintyScore]) -> Table:
    """One row a subset."""
    columns = (
        *("faces, boxes", "points", *(f"in {100 * share:.0f} % ellipse" for share in SHARES)),
        *("rank correlation", "of faces", "visibility ROC-AUC"),
    )
    rows = tuple(
        (
            f"{score.subset}, {score.box_source}",
            str(score.n_points),
            *(_figure(share, 1) for share in score.coverage_percent[ALL]),
            *(_figure(rank, 3) for rank in (score.rank_of_points, score.rank_of_faces)),
            _figure(score.visibility_roc_auc, 3),
        )
        for score in scores
    )
    note = (
        "Percent of the errors within the ellipses that should hold so many; Spearman's rank "
        "correlation of stated and true error, of points and of the means of faces; seen points "
        "against covered and hidden ones."
    )
    return Table("What the model says of its errors", columns, rows, note)


def coverage_table(scores: Sequence[CertaintyScore]) -> Table:
    """One row a subset and share, one column a region; none where no covariance is stated."""
    scores = [score for score in scores if score.n_points]
    regions = scores[0].coverage_percent if scores else ()
    rows = tuple(
        (
            f"{score.subset}, {score.box_source}, {100 * share:.0f} %",
            *(_figure(score.coverage_percent[region][place], 1) for region in regions),
        )
        for score in scores
        for place, share in enumerate(score.shares)
    )
    note = "The shares are true where as many of a region's errors lie within their ellipses."
    columns = ("faces, boxes, share", *regions)
    return Table("Errors within the ellipses by region, %", columns, rows, note)


def _figure(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
