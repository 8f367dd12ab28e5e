"""Whether the errors of points are as large as their stated covariances say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dan.core.checks import check_shape
from dan.core.types import FloatArray
from dan.geometry.point_errors import ellipse_radius, moments_of


@dataclass(frozen=True)
class EllipseCoverage:
    """Shares of errors that lie within the ellipses of some probabilities.

    They are those probabilities if the stated distributions are true.

    Attributes:
        expected: (S,) the probabilities.
        of_all: (S,) of the errors of all points; NaN where there are none.
        of_points: (S, N) of those of each point; likewise.
    """

    expected: FloatArray
    of_all: FloatArray
    of_points: FloatArray


def ellipse_coverage(
    errors_xy: FloatArray,
    covariance: FloatArray,
    shares: Sequence[float] = (0.5, 0.68, 0.95),
) -> EllipseCoverage:
    """How many errors lie within the ellipses that should hold given shares of them.

    Those are of the Mahalanobis distances that :func:`~dan.geometry.ellipse_radius` gives.

    >>> covariance = np.tile(np.diag([4.0, 1.0]), (2, 1, 1, 1))
    >>> ellipse_coverage(np.array([[[2.0, 0.0]], [[0.0, 2.0]]]), covariance, [0.5, 0.9]).of_all
    array([0.5, 1. ])

    Args:
        errors_xy: (K, N, 2) predicted minus true points, pixels; a point with a NaN does not count.
        covariance: (K, N, 2, 2) of each, square pixels; anything where the error is NaN.
        shares: (S,) probabilities, above 0 and below 1.

    Raises:
        ShapeError: if the shapes do not fit.
        ConfigError: if a share is out of range.
        DegenerateShapeError: if the covariance of a known error is not positive definite.
    """
    errors, covariance = np.asarray(errors_xy, np.float64), np.asarray(covariance, np.float64)
    expected = np.asarray(shares, np.float64)
    check_shape("errors", errors, ("K", "N", 2))
    check_shape("covariance", covariance, (*errors.shape, 2))
    check_shape("shares", expected, ("S",))
    radii = ellipse_radius(expected)
    known = ~np.isnan(errors).any(axis=2)
    (x, y), (xx, xy, yy) = errors[known].T, moments_of(covariance[known])
    squares = np.full(known.shape, np.inf)  # of the Mahalanobis distances
    with np.errstate(invalid="ignore"):
        squares[known] = (yy * x * x - 2 * xy * x * y + xx * y * y) / (xx * yy - xy * xy)
        inside = squares <= np.square(radii)[:, None, None]  # (S, K, N)
        of_points = inside.sum(axis=1) / known.sum(axis=0)
        return EllipseCoverage(expected, inside.sum(axis=(1, 2)) / known.sum(), of_points)
