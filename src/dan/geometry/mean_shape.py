"""The mean shape in the crop's frame, and the mean shape fitted into a box."""

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_box, as_points
from dan.core.errors import ConfigError
from dan.core.types import Points
from dan.geometry.boxes import box_centre, box_of_points, box_size_wh
from dan.geometry.similarity import Similarity


def shape_in_frame(mean_shape: Points, crop_size: int, face_size: float) -> Points:
    """The mean shape where the network expects the face.

    Its bounding box is centred in the square crop, in pixel-centre coordinates, and its larger side
    is ``face_size`` pixels. The paper: 56 of 112 pixels.

    Args:
        mean_shape: (N, 2) landmarks in any frame.
        crop_size: side of the crop, pixels.
        face_size: larger side of the shape's box, pixels, at most ``crop_size``.

    Returns:
        (N, 2) float32 landmarks, pixels of the crop.
    """
    if not 0 < face_size <= crop_size:
        raise ConfigError(f"face size: expected 0 < size <= {crop_size}, got {face_size}")
    points = as_points("mean_shape", mean_shape)
    box = box_of_points(points)
    frame_from_shape = Similarity.about(
        box_centre(box),
        scale=face_size / float(box_size_wh(box).max()),
        move_to_xy=[(crop_size - 1) / 2] * 2,
    )
    return frame_from_shape.apply(points).astype(np.float32)


def box_from_shape(mean_shape: Points, box_xyxy: npt.ArrayLike) -> Similarity:
    """The transform that fits the mean shape into a box, upright.

    Centre on centre; the scale is the mean of the width ratio and the height ratio (the reference
    implementation's initialisation).
    """
    # Plain numbers: for one face NumPy's overhead would show beside the network's time.
    x0, y0, x1, y1 = as_box("box", box_xyxy).tolist()
    left, top, right, bottom = box_of_points(mean_shape).tolist()
    scale = ((x1 - x0) / (right - left) + (y1 - y0) / (bottom - top)) / 2
    shift_x = (x0 + x1) / 2 - scale * (left + right) / 2
    shift_y = (y0 + y1) / 2 - scale * (top + bottom) / 2
    return Similarity(scale, 0.0, shift_x, shift_y)
