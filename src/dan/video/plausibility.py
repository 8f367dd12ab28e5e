"""Whether points that the network found are a face."""

from __future__ import annotations

import numpy as np

from dan.core.errors import DegenerateShapeError
from dan.core.types import Points
from dan.geometry import box_of_points, estimate_similarity

MAX_GROWTH = 1.5
"""A face that grows or shrinks by more from one frame to the next is another thing.

A face that comes nearer at a walk grows by less than a tenth between frames of 10 a second.
"""

MAX_MISFIT = 0.2
"""Root mean square distance to the fitted mean shape, share of its larger side.

The largest of 300-W's 2920 training faces is 0.17, the median 0.05.
"""

MIN_INSIDE = 0.5
"""Share of the points that must lie in the picture."""


def why_not_a_face(
    points: Points,
    confidence: float,
    *,
    frame_wh: tuple[int, int],
    mean_shape: Points,
    lost_below: float,
    before: Points | None = None,
) -> str:
    """What is wrong with points that were found; empty where nothing is.

    Args:
        points: (N, 2) pixels of the frame.
        confidence: of the model; NaN where it does not say.
        frame_wh: size of the frame, pixels.
        mean_shape: (N, 2) in any frame.
        lost_below: least confidence.
        before: (N, 2) the same face in the frame before.
    """
    if confidence < lost_below:  # false where it is NaN
        return "confidence"
    try:
        box_of_points(points)
        shape_from_frame = estimate_similarity(points, mean_shape)
    except DegenerateShapeError:
        return "shape"
    inside = ((points >= -0.5) & (points <= np.array(frame_wh) - 0.5)).all(axis=1)
    if inside.mean() < MIN_INSIDE:
        return "outside"
    offsets = shape_from_frame.apply(points) - mean_shape
    misfit = np.sqrt((offsets**2).sum(axis=1).mean()) / np.ptp(mean_shape, axis=0).max()
    if misfit > MAX_MISFIT:
        return "shape"
    if before is not None:
        growth = estimate_similarity(before, points).scale
        if not 1 / MAX_GROWTH <= growth <= MAX_GROWTH:
            return "size"
    return ""
