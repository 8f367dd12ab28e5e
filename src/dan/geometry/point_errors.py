"""How points err, as their covariances state it: more often by far than normal errors do.

An error has a two-dimensional Student distribution with :data:`FREEDOM` degrees of freedom and the
stated covariance: a normal error times a random length (Kotz & Nadarajah 2004, Multivariate t
Distributions and Their Applications, chapter 1). In the metric of the covariance it points anywhere
alike, and the square of its length, the squared Mahalanobis distance, exceeds q with probability
(1 + q / (n - 2))^(-n / 2), n being the degrees of freedom.
"""

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.types import FloatArray

FREEDOM = 8.0
"""Degrees of freedom. With 8, the ellipses of 50, 68 and 95 % all hold what they should, by one
factor a region; a normal distribution's held 53, 69 and 92 % (docs/experiments.md, 2026-11-27)."""

N_ANGLES = 64


def ellipse_radius(share: npt.ArrayLike) -> FloatArray:
    """(...) Mahalanobis distance within which (...) shares of all errors lie.

    >>> ellipse_radius([0.5, 0.68, 0.95])
    array([1.07, 1.41, 2.59])

    Raises:
        ConfigError: if a share is not between 0 and 1.
    """
    share = np.asarray(share, np.float64)
    if not ((share > 0) & (share < 1)).all():
        raise ConfigError(f"shares: expected numbers between 0 and 1, got {share.tolist()}")
    squares = (FREEDOM - 2) * np.expm1(-2 / FREEDOM * np.log1p(-share))
    radius: FloatArray = np.sqrt(squares)
    return radius


def within_probability(covariance: FloatArray, radius: npt.ArrayLike) -> FloatArray:
    """Probability that an error of a point is shorter than a radius.

    With a and b the standard deviations along the axes of the ellipse, the error is (a u, b v),
    where u = s cos φ and v = s sin φ. Its squared length is s² h(φ), with
    h = a² cos² φ + b² sin² φ = m + d cos 2φ, m = (a² + b²) / 2 and d = (a² - b²) / 2. All φ are
    alike likely, and s² is the squared Mahalanobis distance. So

        P = 1 / 2π · integral over φ from 0 to 2π of 1 - (1 + r² / (n - 2) h(φ))^(-n / 2).

    The integrand stays between 0 and 1, and is a smooth, periodic and even function of 2φ, for
    which the trapezoid rule, here with ``N_ANGLES`` nodes over half its period, converges faster
    than any power of their number. At the worst radius it is off by less than 1e-12 for a / b up
    to 10, by less than 1e-5 up to 30, and by less than 0.003 always.

    >>> within_probability(np.eye(2), [1.0, 2.5])
    array([0.46, 0.94])

    Args:
        covariance: (..., 2, 2), square pixels.
        radius: (...) pixels, at least 0; both are broadcast.

    Returns:
        (...) probabilities, 0..1.

    Raises:
        ShapeError: if the covariances are no 2 x 2 matrices.
        ConfigError: if a radius is negative or NaN.
        DegenerateShapeError: if a covariance is not positive definite.
    """
    covariance, radius = np.asarray(covariance, np.float64), np.asarray(radius, np.float64)
    xx, xy, yy = moments_of(covariance)
    if not (radius >= 0).all():
        raise ConfigError(f"radius: expected numbers of at least 0, got {radius.min()}")
    middle, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    cosines = np.cos((np.arange(N_ANGLES) + 0.5) * np.pi / N_ANGLES)
    squares = middle[..., None] + difference[..., None] * cosines
    exceeding = np.log1p(np.square(radius)[..., None] / (FREEDOM - 2) / squares)
    probability: FloatArray = -np.expm1(-FREEDOM / 2 * exceeding).mean(axis=-1)
    return probability


def moments_of(covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variance of x, covariance, and variance of y, each (...), of (..., 2, 2) covariances.

    Raises:
        ShapeError: if they are no 2 x 2 matrices.
        DegenerateShapeError: if one is not symmetric and positive definite.
    """
    check_shape("covariance", covariance, (*covariance.shape[:-2], 2, 2))
    (xx, xy), (yx, yy) = np.moveaxis(covariance, (-2, -1), (0, 1))
    good = np.isfinite(covariance).all(axis=(-2, -1)) & (xx > 0) & (xx * yy > xy * yx)
    good &= np.square(xy - yx) <= 1e-8 * xx * yy
    if not good.all():
        raise DegenerateShapeError(
            "covariance: expected symmetric positive definite matrices, got "
            f"{covariance[~good][0].tolist()}"
        )
    return xx, xy, yy
