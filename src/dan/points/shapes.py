"""Parts of the face as outlines, masks and triangles, from the 68 points.

Points of other schemes are converted first, where a conversion leads to ``face68``. The parts:

- ``hull``: the convex hull of all points;
- ``face``: within the jaw and an estimate of the forehead, which no point shows: it is as high as
  the way from the base of the nose to the brows (the canon of thirds), and ends in half an ellipse
  between the ends of the jaw;
- ``skin``: the face without eyes, brows and mouth;
- ``eyes``, ``left_eye``, ``right_eye``; left is the image's left;
- ``brows``, ``left_brow``, ``right_brow``: a band of 0.2 of the brow's length about its line;
- ``nose``: from its root to the nostrils;
- ``mouth``: within the outer line of the lips; ``lips``: without their opening.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_points
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.types import FloatArray, Points
from dan.geometry import Similarity, box_centre, box_of_points, box_size_wh
from dan.schemes import FACE68, LandmarkScheme, convert_points

_EYES, _BROWS = ("left_eye", "right_eye"), ("left_brow", "right_brow")

PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hull": (("hull",), ()),
    "face": (("face",), ()),
    "skin": (("face",), (*_EYES, *_BROWS, "outer_lips")),
    "eyes": (_EYES, ()),
    "left_eye": (_EYES[:1], ()),
    "right_eye": (_EYES[1:], ()),
    "brows": (_BROWS, ()),
    "left_brow": (_BROWS[:1], ()),
    "right_brow": (_BROWS[1:], ()),
    "nose": (("nose",), ()),
    "mouth": (("outer_lips",), ()),
    "lips": (("outer_lips",), ("inner_lips",)),
}
"""Name of a part -> outlines that make it, outlines that are taken away."""

_ARC = 16
"""Steps of the forehead's arc."""

_FARTHEST = 30_000
"""Pixels up to which OpenCV paints."""


def part_outlines(
    points: Points, scheme: LandmarkScheme, part: str
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Closed outlines, (K, 2) each, that make a part, and those of its holes.

    Args:
        points: (N, 2) landmarks, pixels; so are the outlines.
        part: one of :data:`PARTS`.

    Raises:
        ConfigError: if there is no such part, or no way from the scheme to ``face68``.
        DegenerateShapeError: if a point is not finite.
    """
    if part not in PARTS:
        raise ConfigError(f"part: expected one of {', '.join(PARTS)}, got {part}")
    face = convert_points(points, scheme, FACE68)
    if not np.isfinite(face).all():
        raise DegenerateShapeError("points: expected finite points, got NaN or infinite ones")
    made, taken = PARTS[part]
    return [_outline(face, name) for name in made], [_outline(face, name) for name in taken]


def part_mask(
    points: Points, scheme: LandmarkScheme, size_wh: tuple[int, int], part: str
) -> npt.NDArray[np.bool_]:
    """(height, width) mask, true where a pixel touches the part; see :func:`part_outlines`."""
    made, taken = part_outlines(points, scheme, part)
    return fill_outlines(made, size_wh) & ~fill_outlines(taken, size_wh)


def fill_outlines(outlines: list[FloatArray], size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(height, width) mask of the pixels that closed outlines, (K, 2) each, hold or touch.

    >>> fill_outlines([np.array([(0, 0), (2, 0), (2, 1), (0, 1)])], (4, 3)).astype(int).tolist()
    [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    """
    mask = np.zeros(size_wh[::-1], dtype=np.uint8)
    for outline in outlines:
        fixed = np.rint(np.clip(outline, -_FARTHEST, _FARTHEST) * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], (1,), shift=4)
    return mask.astype(bool)


def hull_of(points: Points) -> FloatArray:
    """(K, 2) the convex hull of (N, 2) finite points."""
    return np.asarray(cv2.convexHull(np.asarray(points, dtype=np.float32)), np.float64)[:, 0]


def triangles_of(points: Points) -> npt.NDArray[np.int64]:
    """(T, 3) indices of (N, 2) points: their Delaunay triangles, clockwise on a screen.

    Taken once from a mean shape, they are the mesh of all faces of that scheme. Points that
    coincide count once.

    >>> triangles_of(np.array([(0, 0), (4, 0), (0, 4)])).tolist()
    [[0, 1, 2]]

    Raises:
        DegenerateShapeError: if the points span no area, or are not finite.
    """
    points = as_points("points", points)
    box = box_of_points(points)
    scale = 1000 / float(box_size_wh(box).max())
    # In a wide frame, so that the hull comes out convex.
    unit = Similarity.about(box_centre(box), scale=scale, move_to_xy=(0, 0)).apply(points)
    plane = cv2.Subdiv2D((-40_000, -40_000, 80_000, 80_000))
    index_of: dict[tuple[float, ...], int] = {}
    for index, point in enumerate(unit.astype(np.float32).tolist()):
        plane.insert(point)
        index_of.setdefault(tuple(point), index)
    rows = [
        [index_of.get(tuple(corner), -1) for corner in corners]
        for corners in np.reshape(plane.getTriangleList(), (-1, 3, 2)).tolist()
    ]
    found = np.array([row for row in rows if min(row) >= 0], dtype=np.int64).reshape(-1, 3)
    a, b, c = (unit[found[:, place]] for place in range(3))
    turns = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return np.where(turns[:, None] < 0, found[:, ::-1], found)


def _outline(face: FloatArray, name: str) -> FloatArray:
    """One of the outlines that :data:`PARTS` names, of (68, 2) points."""
    groups = FACE68.groups
    if name == "hull":
        return hull_of(face)
    if name == "nose":
        return hull_of(face[[*groups["nose_bridge"], *groups["nostrils"]]])
    if name == "face":
        return np.concatenate([face[list(groups["jaw"])], _forehead(face)])
    line = face[list(groups[name])]
    if name in _BROWS:
        down = face[list(groups[name.replace("brow", "eye")])].mean(axis=0) - line.mean(axis=0)
        half = 0.1 * np.hypot(*(line[-1] - line[0])) * down / max(float(np.hypot(*down)), 1e-9)
        return np.concatenate([line - half, (line + half)[::-1]])
    return np.asarray(line)


def _forehead(face: FloatArray) -> FloatArray:
    """From the last point of the jaw to the first, over the hairline."""
    jaw, groups = face[list(FACE68.groups["jaw"])], FACE68.groups
    brows = face[[*groups["left_brow"], *groups["right_brow"]]].mean(axis=0)
    hairline = brows + (brows - face[list(groups["nostrils"])].mean(axis=0))
    middle = (jaw[0] + jaw[-1]) / 2
    angles = np.linspace(0, np.pi, _ARC + 1)[1:-1, None]
    arc = middle + np.cos(angles) * (jaw[-1] - middle) + np.sin(angles) * (hairline - middle)
    return np.asarray(arc)
