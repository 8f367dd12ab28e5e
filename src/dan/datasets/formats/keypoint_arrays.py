"""Arrays as the package ``supervision`` has them in ``KeyPoints``; the package is not needed.

- ``xy`` is (F, N, 2) float32, 0-based; a point that is not known stands at 0, 0, as its annotators
  and readers have it, with confidence 0.
- Lost: image names, boxes, whether a known point is occluded, everything else.
"""

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import DataError
from dan.datasets.formats.annotations import UNKNOWN, VISIBLE, AnnotationSet
from dan.schemes import LandmarkScheme


def to_keypoint_arrays(annotations: AnnotationSet) -> dict[str, npt.NDArray[np.generic]]:
    """``xy``, ``keypoint_confidence`` and ``visible``: ``sv.KeyPoints(**arrays)``, 0.29 or newer.

    For the faces of one image, ``annotations.select(annotations.image_index == place)`` first.
    """
    known = annotations.known
    return {
        "xy": np.where(known[:, :, None], annotations.points, 0.0).astype(np.float32),
        "keypoint_confidence": known.astype(np.float32),
        "visible": known.copy(),
    }


def from_keypoint_arrays(
    xy: npt.ArrayLike,
    keypoint_confidence: npt.ArrayLike | None = None,
    *,
    image_name: str = "image",
    min_confidence: float = 0.0,
    scheme: LandmarkScheme | None = None,
) -> AnnotationSet:
    """Faces of one image.

    Args:
        xy: (F, N, 2), pixels, 0-based; 0, 0 stands for a point that is not known.
        keypoint_confidence: (F, N), or None for certainty.
        min_confidence: a point is known if its confidence is greater.

    Raises:
        ShapeError: if shapes disagree.
        DataError: if a known coordinate is not finite.
    """
    points = np.asarray(xy, dtype=np.float64)
    check_shape("xy", points, ("F", "N", 2))
    known = (points != 0).any(axis=2)
    if keypoint_confidence is not None:
        confidence = np.asarray(keypoint_confidence, dtype=np.float64)
        check_shape("keypoint_confidence", confidence, points.shape[:2])
        known &= confidence > min_confidence
    if np.isnan(points[known]).any():
        raise DataError("xy: expected numbers where the confidence says that a point is known")
    return AnnotationSet.build(
        [image_name],
        np.zeros(len(points), dtype=np.int64),
        points,
        visibility=np.where(known, VISIBLE, UNKNOWN),
        scheme=scheme,
    )
