"""Images and points moved together: warping by a similarity, flipping, resizing.

Convention: integer coordinates are pixel centres. Resizing by ``s`` keeps pixel centres,
``x' = (x + 1/2)·s - 1/2``; flipping is ``x' = W - 1 - x``.
"""

import cv2
import numpy as np
import numpy.typing as npt

from dan.checks import as_points, check_shape
from dan.errors import ShapeError
from dan.geometry.similarity import Similarity
from dan.types import GreyImage, IntArray, Points

MAX_OPENCV_SIDE = 32766
"""cv2.warpAffine addresses the source with 16-bit integers."""


def warp_image(
    image: npt.NDArray[np.uint8], out_from_image: Similarity, size_wh: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Warp an image by a similarity; bilinear, edges repeated beyond the border.

    Only the part of the image that the output can see is touched, and where the output is smaller
    than half the input the part is first shrunk by area averaging, so that a large photograph
    costs no more than it must and does not alias.

    Args:
        image: (H, W) or (H, W, C) uint8.
        out_from_image: takes image points to output points.
        size_wh: width and height of the output, pixels.

    Returns:
        (height, width) or (height, width, C) uint8.
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(f"image: expected shape (H, W) or (H, W, C), got {image.shape}")
    part, part_from_image = _visible_part(image, out_from_image, size_wh)
    reduction = int(1.0 / max(out_from_image.scale, 1e-9))
    if reduction >= 2:
        height, width = part.shape[:2]
        small_wh = max(1, round(width / reduction)), max(1, round(height / reduction))
        shrunk = cv2.resize(part, small_wh, interpolation=cv2.INTER_AREA)
        part = np.asarray(shrunk, dtype=np.uint8)
        # The two axes may round differently by a fraction of a pixel; use the exact factors.
        scale_xy = small_wh[0] / width, small_wh[1] / height
        small_from_part = np.diag([*scale_xy, 1.0])
        small_from_part[:2, 2] = [(s - 1) / 2 for s in scale_xy]
    else:
        small_from_part = np.eye(3)
    part = np.ascontiguousarray(part[:MAX_OPENCV_SIDE, :MAX_OPENCV_SIDE])
    out_from_small = (
        _square(out_from_image)
        @ np.linalg.inv(_square(part_from_image))
        @ np.linalg.inv(small_from_part)
    )
    return np.asarray(
        cv2.warpAffine(
            part,
            out_from_small[:2],
            size_wh,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )


def _square(similarity: Similarity) -> npt.NDArray[np.float64]:
    return np.vstack([similarity.matrix, [0.0, 0.0, 1.0]])


def _visible_part(
    image: npt.NDArray[np.uint8], out_from_image: Similarity, size_wh: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], Similarity]:
    """The slice of the image that the output can see, at least one pixel, and its frame."""
    width, height = size_wh
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float64)
    seen = out_from_image.inverse().apply(corners)
    margin = 2 + int(1.0 / max(out_from_image.scale, 1e-9))
    limit_xy = np.array(image.shape[1::-1])
    first = np.clip(np.floor(seen.min(axis=0)) - margin, 0, limit_xy - 1).astype(int)
    last = np.clip(np.ceil(seen.max(axis=0)) + margin + 1, first + 1, limit_xy).astype(int)
    part = np.ascontiguousarray(image[first[1] : last[1], first[0] : last[0]])
    return part, Similarity(1.0, 0.0, -float(first[0]), -float(first[1]))


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
