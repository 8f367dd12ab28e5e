"""Faces made unrecognisable: blurred, pixelated or filled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_box
from dan.core.errors import ConfigError
from dan.core.types import ColourImage, FloatArray, Points
from dan.geometry import Similarity, box_centre, box_size_wh
from dan.points.shapes import fill_outlines, hull_of, part_outlines
from dan.schemes import FACE68, LandmarkScheme
from dan.schemes.conversions import targets_of

How = Literal["blur", "pixelate", "fill"]

CELLS = 6
"""Means that are left across a face."""

MARGIN = 1.25
"""By so much an outline is larger than the face."""

BOX_REACH = (0.75, 1.0)
"""Half axes of the ellipse over a detection, in sides of the landmarks' box: it holds the forehead,
and a face that is somewhat off."""


def face_outline(points: Points, scheme: LandmarkScheme) -> FloatArray:
    """(K, 2) convex outline of a face and its forehead with a margin, from (N, 2) finite landmarks.

    Where the scheme does not lead to ``face68``, it is the points' hull with twice the margin.
    """
    if scheme == FACE68 or targets_of(scheme, [FACE68]):
        (outline,), _ = part_outlines(points, scheme, "face")
        return grown(hull_of(np.concatenate([outline, points])), MARGIN)
    return grown(hull_of(points), 2 * MARGIN)


def box_outline(box_xyxy: npt.ArrayLike, roll_deg: float = 0.0) -> FloatArray:
    """(K, 2) ellipse over the box of a face's landmarks, turned about the box's centre."""
    box = as_box("box", box_xyxy)
    angles = np.linspace(0, 2 * np.pi, 33)[:-1]
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * BOX_REACH
    middle = np.array([0, -0.2])  # up, where the forehead is
    outline = box_centre(box) + (ring + middle) * box_size_wh(box)
    return Similarity.about(box_centre(box), angle_deg=roll_deg).apply(outline)


def grown(outline: FloatArray, factor: float) -> FloatArray:
    """An outline made larger about the centre of its box."""
    centre = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return np.asarray(centre + factor * (outline - centre))


def cover(picture: ColourImage, outlines: Iterable[FloatArray], how: How = "blur") -> ColourImage:
    """A copy of a picture in which nothing within the outlines can be recognised.

    ``blur`` and ``pixelate`` leave :data:`CELLS` means across each outline, smooth or square;
    ``fill`` leaves black.

    >>> picture = np.full((20, 20, 3), 200, np.uint8)
    >>> covered = cover(picture, [box_outline((6, 8, 13, 14))], "fill")
    >>> covered[10, 10].tolist(), covered[0, 0].tolist()
    ([0, 0, 0], [200, 200, 200])

    Args:
        picture: (H, W, 3) RGB uint8.
        outlines: (K, 2) each, pixels of the picture; they may lie partly or all beyond it.

    Raises:
        ConfigError: if ``how`` is none of these.
    """
    if how not in get_args(How):
        raise ConfigError(f"how: expected one of {', '.join(get_args(How))}, got {how}")
    covered = picture.copy()
    wh = np.array(picture.shape[1::-1])
    for outline in outlines:
        first = np.clip(np.floor(outline.min(axis=0)), 0, wh).astype(int)
        last = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, wh).astype(int)
        if (last <= first).any():
            continue
        part = covered[first[1] : last[1], first[0] : last[0]]
        mask = fill_outlines([outline - first], (part.shape[1], part.shape[0]))
        part[mask] = _unrecognisable(part, float(np.ptp(outline, axis=0).min()), how)[mask]
    return covered


def _unrecognisable(part: ColourImage, face_size: float, how: How) -> ColourImage:
    if how == "fill":
        return np.zeros_like(part)
    size_wh = part.shape[1], part.shape[0]
    cell = max(face_size / CELLS, 1.0)
    small_wh = max(1, round(size_wh[0] / cell)), max(1, round(size_wh[1] / cell))
    small = cv2.resize(part, small_wh, interpolation=cv2.INTER_AREA)
    shape = cv2.INTER_LINEAR if how == "blur" else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(small, size_wh, interpolation=shape), dtype=np.uint8)
