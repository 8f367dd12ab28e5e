"""Images and points moved together: warping by a similarity, flipping, resizing.

Convention: integer coordinates are pixel centres. Resizing by ``s`` keeps pixel centres,
``x' = (x + 1/2)·s - 1/2``; flipping is ``x' = W - 1 - x``.
"""

import math
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_points, check_shape
from dan.core.errors import ShapeError
from dan.core.types import GreyImage, IntArray, Points
from dan.geometry.similarity import Similarity

MAX_OPENCV_SIDE = 32766
"""cv2.warpAffine addresses the source with 16-bit integers."""

Border = Literal["edge", "black", "reflect"]
"""What lies beyond an image: its edge repeated, nothing, or its reflection about the last pixel."""

_BORDERS = {
    "edge": cv2.BORDER_REPLICATE,
    "black": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT_101,
}


def warp_image(
    image: npt.NDArray[np.uint8],
    out_from_image: Similarity,
    size_wh: tuple[int, int],
    *,
    to_grey: bool = False,
    border: Border = "edge",
) -> npt.NDArray[np.uint8]:
    """Warp an image by a similarity; bilinear.

    Only the part of the image that the output can see is touched, and where the output is smaller
    than half the input the part is first shrunk by area averaging, so that a large photograph
    costs no more than it must and does not alias.

    Args:
        image: (H, W) or (H, W, C) uint8.
        out_from_image: takes image points to output points.
        size_wh: width and height of the output, pixels.
        to_grey: turn the part that is seen of an RGB image into grey levels first.
        border: see :data:`Border`.

    Returns:
        (height, width) or (height, width, C) uint8.
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(f"image: expected shape (H, W) or (H, W, C), got {image.shape}")
    reduction = max(1, int(1.0 / max(out_from_image.scale, 1e-9)))
    part, x, y = _visible_part(image, out_from_image, size_wh, reduction)
    reduction = min(reduction, *part.shape[:2])  # an image that becomes a dot needs no more
    if to_grey and part.ndim == 3:
        part = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    small_from_image = Similarity(1.0, 0.0, -x, -y)
    if reduction > 1:
        part = _shrunk(part, reduction)
        small_from_image = resize_transform(1 / reduction) @ small_from_image
    out_from_small = out_from_image @ small_from_image.inverse()
    return np.asarray(
        cv2.warpAffine(
            part[:MAX_OPENCV_SIDE, :MAX_OPENCV_SIDE],
            out_from_small.matrix,
            size_wh,
            flags=cv2.INTER_LINEAR,
            borderMode=_BORDERS[border],
        ),
        dtype=np.uint8,
    )


def _shrunk(part: npt.NDArray[np.uint8], reduction: int) -> npt.NDArray[np.uint8]:
    """Means of ``reduction`` x ``reduction`` cells, edges repeated to fill the last ones."""
    height, width = part.shape[:2]
    padding = 0, -height % reduction, 0, -width % reduction
    whole = cv2.copyMakeBorder(part, *padding, cv2.BORDER_REPLICATE) if any(padding) else part
    small_wh = whole.shape[1] // reduction, whole.shape[0] // reduction
    return np.asarray(cv2.resize(whole, small_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _visible_part(
    image: npt.NDArray[np.uint8],
    out_from_image: Similarity,
    size_wh: tuple[int, int],
    reduction: int,
) -> tuple[npt.NDArray[np.uint8], int, int]:
    """The slice of the image that the output can see, at least one pixel, and its first x and y.

    Its sides are whole multiples of ``reduction`` where the image does not end before.
    """
    back = out_from_image.inverse()
    (width, height), (rows, columns) = size_wh, image.shape[:2]
    # The output's corners, seen from the image: each axis is a sum of what x and y contribute.
    spans_x = sorted((0.0, back.a * width)), sorted((0.0, -back.b * height))
    spans_y = sorted((0.0, back.b * width)), sorted((0.0, back.a * height))
    x0, x1 = _clipped(back.tx, spans_x, reduction, columns)
    y0, y1 = _clipped(back.ty, spans_y, reduction, rows)
    return image[y0:y1, x0:x1], x0, y0


def _clipped(
    start: float, spans: tuple[list[float], list[float]], reduction: int, length: int
) -> tuple[int, int]:
    margin = reduction + 2
    first = math.floor(start + spans[0][0] + spans[1][0]) - margin
    last = math.ceil(start + spans[0][1] + spans[1][1]) + margin + 1
    first = min(max(first, 0), length - 1)
    last += (first - last) % reduction
    return first, min(max(last, first + 1), length)


def resize_transform(scale: float) -> Similarity:
    """``big_from_small`` of a resize by ``scale`` that keeps pixel centres."""
    return Similarity(scale, 0.0, (scale - 1) / 2, (scale - 1) / 2)


def flip_points(points: Points, width: float, mirror: IntArray) -> Points:
    """Left-right flip of (N, 2) points in an image ``width`` pixels wide.

    Args:
        mirror: (N,) indices; place ``i`` of the result is taken by landmark ``mirror[i]``.
    """
    points = as_points("points", points)
    check_shape("mirror", mirror, (len(points),))
    flipped = points[np.asarray(mirror)].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped


def flip_image(image: GreyImage) -> GreyImage:
    """Left-right flip of an (H, W) or (H, W, C) image."""
    return np.ascontiguousarray(image[:, ::-1])
