"""Boxes ``xyxy`` in pixels: (4,) float64 arrays ``x0, y0, x1, y1``."""

import math

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_points
from dan.core.errors import DegenerateShapeError
from dan.core.types import Box, FloatArray, Points


def box_of_points(points: Points) -> Box:
    """Tight box around (N, 2) points, from centre of the outermost pixel to centre.

    Raises:
        DegenerateShapeError: if the points span no width or no height, or are not finite.
    """
    points = as_points("points", points)
    box = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()] if len(points) else []
    if not box or not all(map(math.isfinite, box)):  # NaN is the least and the greatest
        raise DegenerateShapeError(f"points: expected finite points, got {points.tolist()}")
    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0):
        raise DegenerateShapeError(f"points: expected them to span an area, got the box {box}")
    return np.array(box)


def with_position(points: Points) -> Points:
    """(K, 2) those of (N, 2) points that have a position: neither coordinate is NaN."""
    points = as_points("points", points)
    known: Points = points[~np.isnan(points).any(axis=1)]
    return known


def box_centre(box_xyxy: npt.ArrayLike) -> FloatArray:
    """(2,) centre (x, y)."""
    box = np.asarray(box_xyxy, dtype=np.float64)
    centre: FloatArray = (box[:2] + box[2:]) / 2
    return centre


def box_size_wh(box_xyxy: npt.ArrayLike) -> FloatArray:
    """(2,) width and height."""
    box = np.asarray(box_xyxy, dtype=np.float64)
    size: FloatArray = box[2:] - box[:2]
    return size


def box_overlap(box_xyxy: npt.ArrayLike, other_xyxy: npt.ArrayLike) -> float:
    """Intersection over union of two boxes, 0..1."""
    box, other = (np.asarray(given, dtype=np.float64) for given in (box_xyxy, other_xyxy))
    inner = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    shared = float(np.prod(np.clip(inner, 0, None)))
    union = float(np.prod(box_size_wh(box)) + np.prod(box_size_wh(other))) - shared
    return shared / union if union > 0 else 0.0
