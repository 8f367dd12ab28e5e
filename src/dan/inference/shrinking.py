"""Pictures made as small as a detector looks at them, and boxes brought back."""

from __future__ import annotations

import math

import cv2
import numpy as np

from dan.core.errors import ConfigError, ShapeError
from dan.core.types import ColourImage, FloatArray

LEAST_SIZE = 32
"""Pixels that a detector has to look at."""


def check_options(size: int, min_score: float) -> None:
    """Raise ConfigError for options of a detector that are out of range."""
    if size < LEAST_SIZE or not 0 <= min_score <= 1:
        raise ConfigError(
            f"detector: expected a size of at least {LEAST_SIZE} pixels and a score of 0..1, "
            f"got {size} and {min_score}"
        )


def shrunk(picture: ColourImage, size: int) -> tuple[ColourImage, FloatArray]:
    """The picture with its longer side at most ``size``, and how much smaller on each axis."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ShapeError(
            f"picture: expected (H, W, 3) of type uint8, got {picture.shape} {picture.dtype}"
        )
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(picture), np.ones(2)
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    # Halved while it can be, which averages and is fast; what is left does not alias.
    halvings = min(int(math.log2(1 / scale)), int(math.log2(min(height, width))))
    part = picture
    for _ in range(halvings):
        height, width = part.shape[0] // 2 * 2, part.shape[1] // 2 * 2
        half_wh = width // 2, height // 2
        half = cv2.resize(part[:height, :width], half_wh, interpolation=cv2.INTER_AREA)
        part = np.asarray(half, dtype=np.uint8)
    seen_wh = part.shape[1] * 2**halvings, part.shape[0] * 2**halvings  # an odd last line is not
    small = cv2.resize(part, small_wh, interpolation=cv2.INTER_LINEAR)
    return np.asarray(small, dtype=np.uint8), np.array(small_wh) / seen_wh


def enlarged(boxes_xyxy: FloatArray, scale_xy: FloatArray) -> FloatArray:
    """Boxes of the shrunk picture in the original's pixels, pixel centres kept."""
    corners = boxes_xyxy.reshape(-1, 2)
    return ((corners + 0.5) / scale_xy - 0.5).reshape(-1, 4)
