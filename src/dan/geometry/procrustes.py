"""Procrustes alignment: shapes compared without position, scale and rotation."""

import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import DegenerateShapeError, ShapeError
from dan.core.types import FloatArray, Points
from dan.geometry.boxes import box_centre, box_of_points, box_size_wh, with_position
from dan.geometry.similarity import estimate_similarity


def align_shape(points: Points, reference: Points) -> Points:
    """``points`` moved by the similarity that brings them nearest to ``reference``, both (N, 2).

    Those that are NaN do not count, and stay so.
    """
    known = ~np.isnan(points).any(axis=1)
    return estimate_similarity(points[known], reference[known]).apply(points)


def mean_shape_of(shapes: FloatArray, *, tolerance: float = 1e-6, max_rounds: int = 50) -> Points:
    """Generalised Procrustes mean (Gower 1975) of upright shapes.

    Each shape is aligned to the running mean and the mean is taken anew until it moves by less
    than ``tolerance`` of its size. The first mean is the plain average of the shapes, each with its
    box centred and its larger side scaled to 1, so the orientation is that of the data. A shape
    that lacks points counts by the others, in its box, its alignment and the means.

    Args:
        shapes: (F, N, 2) landmarks, any frame each, N >= 2; NaN where a point has no position.

    Returns:
        (N, 2) float32, bounding box centred on the origin, its larger side 1.

    Raises:
        ShapeError: if there is no shape.
        DegenerateShapeError: if a shape spans no area or is infinite, or no shape has some point.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    check_shape("shapes", shapes, ("F", "N", 2))
    if not len(shapes):
        raise ShapeError("shapes: expected at least 1, got none")
    nowhere = np.isnan(shapes).any(axis=2).all(axis=0)
    if nowhere.any():
        raise DegenerateShapeError(
            f"shapes: expected each point to have a position in one of them, got point "
            f"{int(np.argmax(nowhere))} in none"
        )
    mean = _unit(np.nanmean([_unit(shape) for shape in shapes], axis=0))
    for _ in range(max_rounds):
        aligned = np.nanmean([align_shape(shape, mean) for shape in shapes], axis=0)
        refined = _unit(align_shape(aligned, mean))
        moved = float(np.abs(refined - mean).max())
        mean = refined
        if moved < tolerance:
            break
    return mean.astype(np.float32)


def _unit(points: Points) -> Points:
    box = box_of_points(with_position(points))
    unit: Points = (points - box_centre(box)) / box_size_wh(box).max()
    return unit
