"""How far a face is turned to the side, from its points alone."""

import numpy as np

from dan.core.errors import ConfigError
from dan.core.types import FloatArray
from dan.points.pose import angles_of, fit_heads
from dan.schemes import FACE51, LandmarkScheme
from dan.schemes.conversions import convert_points

YAWS_DEG = (30.0, 60.0)
"""Where the bands of yaw meet, degrees to either side."""


def estimate_yaws(points: FloatArray, scheme: LandmarkScheme) -> FloatArray:
    """The yaw of :attr:`dan.points.pose.HeadPose.yaw_pitch_roll_deg`, every inner point alike.

    On 1,151 faces of AFLW, up to full profile, it differs from the yaw of a 3D model fitted to the
    picture by 3.1° at the median, 9.9° at the 90th percentile, and 93 % fall into the same band of
    ``YAWS_DEG``; beyond 60° it says 9° more (``benchmarks/head_shape.py --check``).

    Args:
        points: (F, N, 2) landmarks, pixels; NaN where one has no position: it does not count.

    Returns:
        (F,) degrees, positive where the face looks to the image's right. NaN where fewer than a
        third of the inner points are known, and for all where the scheme does not convert to
        face51.
    """
    try:
        inner = convert_points(points, scheme, FACE51)
    except ConfigError:
        return np.full(len(points), np.nan)
    rotations, _, _ = fit_heads(inner, np.ones(inner.shape[1]))
    return np.asarray(angles_of(rotations)[:, 0])
