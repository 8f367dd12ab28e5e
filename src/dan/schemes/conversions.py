"""Landmarks of one scheme from those of another: every target point is a weighted sum.

A conversion is data: a row of ``(source point, weight)`` for each target point, and for each group
of the target how good that is. Schemes without a direct conversion go through others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError
from dan.core.types import FloatArray
from dan.schemes.cofw29 import COFW29
from dan.schemes.face5 import FACE5
from dan.schemes.face51 import FACE51
from dan.schemes.face68 import FACE68
from dan.schemes.mediapipe468 import MEDIAPIPE468
from dan.schemes.scheme import LandmarkScheme
from dan.schemes.wflw98 import WFLW98

Row = Sequence[tuple[int, float]]
"""``(source point, weight)`` of one target point; the weights sum to 1."""

EXACT = "exact"


@dataclass(frozen=True)
class Conversion:
    """How the points of one scheme follow from those of another.

    Attributes:
        quality: group of the target -> :data:`EXACT`, where the same spots are annotated in both
            schemes, or what is approximate about it.

    Raises:
        ConfigError: if rows or groups are missing, an index is out of range, or the weights of a
            row do not sum to 1, so that the result would depend on where the face is.
    """

    source: LandmarkScheme
    target: LandmarkScheme
    rows: tuple[Row, ...]
    quality: Mapping[str, str]

    def __post_init__(self) -> None:
        name = f"conversion {self.source.name} to {self.target.name}"
        if len(self.rows) != self.target.n_landmarks:
            raise ConfigError(
                f"{name}: expected {self.target.n_landmarks} rows, got {len(self.rows)}"
            )
        if self.quality.keys() != self.target.groups.keys():
            raise ConfigError(f"{name}: expected the quality of each group of the target")
        for place, row in enumerate(self.rows):
            inside = all(0 <= point < self.source.n_landmarks for point, _ in row)
            if not inside or abs(sum(weight for _, weight in row) - 1) > 1e-9:
                raise ConfigError(f"{name}: row {place}: expected weights that sum to 1, got {row}")

    @cached_property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(M, N) weights: M target points from N source points."""
        matrix = np.zeros((len(self.rows), self.source.n_landmarks))
        for place, row in enumerate(self.rows):
            for point, weight in row:
                matrix[place, point] += weight
        return matrix


def _points(indices: Iterable[int]) -> list[Row]:
    """Target points that are source points."""
    return [((index, 1.0),) for index in indices]


def _mean(*indices: int) -> Row:
    return tuple((index, 1 / len(indices)) for index in indices)


def _between(before: int, left: int, right: int, after: int) -> Row:
    """The middle of a curve between two of four points along it: the cubic through all four."""
    return ((before, -1 / 16), (left, 9 / 16), (right, 9 / 16), (after, -1 / 16))


def _jaw98() -> list[Row]:
    """WFLW's jaw has a point between every two of the 17; at its ends, the parabola of three."""
    jaw: list[Row] = []
    for point in range(16):
        between: Row = ((point, 0.5), (point + 1, 0.5))
        if 0 < point < 15:
            between = _between(point - 1, point, point + 1, point + 2)
        elif point == 0:
            between = ((0, 3 / 8), (1, 6 / 8), (2, -1 / 8))
        else:
            between = ((14, -1 / 8), (15, 6 / 8), (16, 3 / 8))
        jaw += [((point, 1.0),), between]
    return [*jaw, ((16, 1.0),)]


def _below_brow(brow: int, *lids: int) -> Row:
    """A quarter of the way from a point of the brow to the lid beneath."""
    return ((brow, 0.75), *((lid, 0.25 / len(lids)) for lid in lids))


def _eye98(first: int) -> list[Row]:
    """Eight points of an eye from six: the middles of both lids lie between their two points."""
    corner, up1, up2, other, low2, low1 = range(first, first + 6)
    upper, lower = _between(corner, up1, up2, other), _between(other, low2, low1, corner)
    single = {0: corner, 1: up1, 3: up2, 4: other, 5: low2, 7: low1}
    middles = {2: upper, 6: lower}
    return [middles.get(place) or ((single[place], 1.0),) for place in range(8)]


_WFLW_OF_68 = (
    *range(0, 33, 2),
    *range(33, 38),
    *range(42, 47),
    *range(51, 60),
    *(60, 61, 63, 64, 65, 67),
    *(68, 69, 71, 72, 73, 75),
    *range(76, 96),
)
"""The selection by which WFLW models are commonly scored on 300-W."""

_98_FROM_68: list[Row] = [
    *_jaw98(),
    *_points(range(17, 22)),
    *(_below_brow(21, 39), _below_brow(20, 38), _below_brow(19, 37, 38), _below_brow(18, 37)),
    *_points(range(22, 27)),
    *(_below_brow(25, 44), _below_brow(24, 43, 44), _below_brow(23, 43), _below_brow(22, 42)),
    *_points(range(27, 36)),
    *_eye98(36),
    *_eye98(42),
    *_points(range(48, 68)),
    _mean(*range(36, 42)),
    _mean(*range(42, 48)),
]

_MESH_OF_68: list[Row] = [
    *_points((127, 234, 93)),
    *(_mean(132, 58), _mean(58, 172)),
    *_points((136, 150, 176, 152, 400, 379, 365)),
    *(_mean(397, 288), _mean(288, 361)),
    *_points((323, 454, 356)),
    *_points((70, 63, 105, 66, 107, 336, 296, 334, 293, 300)),
    *(_mean(168, 6), _mean(197, 195)),
    *_points((5, 4, 98, 97, 2, 326, 327)),
    *_points((33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)),
    *_points((61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91)),
    *_points((78, 82, 13, 312, 308, 317, 14, 87)),
]
"""After P. Yan's ``Mediapipe_2_Dlib_Landmarks``, with the jaw made the same on both sides."""

_68_GROUPS = tuple(FACE68.groups)
_MESH = "the nearest vertices of the mesh, which follows the skin, not the annotators' habits"

CONVERSIONS = (
    Conversion(
        WFLW98,
        FACE68,
        tuple(_points(_WFLW_OF_68)),
        dict.fromkeys(_68_GROUPS, EXACT)
        | {"jaw": "every second point, evenly spaced along another length of jaw"}
        | dict.fromkeys(("left_brow", "right_brow"), "upper edge; 300-W's points lie lower")
        | dict.fromkeys(("left_eye", "right_eye"), "corners exact; lids at 1/4 instead of 1/3"),
    ),
    Conversion(FACE68, FACE51, tuple(_points(range(17, 68))), dict.fromkeys(FACE51.groups, EXACT)),
    Conversion(
        FACE68,
        FACE5,
        (_mean(*range(36, 42)), _mean(*range(42, 48)), *_points((30, 48, 54))),
        {"eyes": "mean of the lids, not the pupil", "nose": EXACT, "mouth": EXACT},
    ),
    Conversion(
        FACE51,
        FACE5,
        (_mean(*range(19, 25)), _mean(*range(25, 31)), *_points((13, 31, 37))),
        {"eyes": "mean of the lids, not the pupil", "nose": EXACT, "mouth": EXACT},
    ),
    Conversion(MEDIAPIPE468, FACE68, tuple(_MESH_OF_68), dict.fromkeys(_68_GROUPS, _MESH)),
    Conversion(
        FACE68,
        WFLW98,
        tuple(_98_FROM_68),
        dict.fromkeys(WFLW98.groups, EXACT)
        | {"jaw": "even points as given; odd ones interpolated by a cubic"}
        | dict.fromkeys(
            ("left_brow", "right_brow"), "upper edge as given; lower edge a guess: 1/4 to the lid"
        )
        | dict.fromkeys(
            ("left_eye", "right_eye"), "six points as given; middles of the lids by a cubic"
        )
        | dict.fromkeys(("left_pupil", "right_pupil"), "mean of the lids, wherever the eye looks"),
    ),
    Conversion(
        WFLW98,
        COFW29,
        (
            *_points((33, 46)),
            *(_mean(37, 38), _mean(42, 50)),
            *_points((35, 40, 44, 48)),
            *_points((60, 72, 64, 68, 62, 66, 70, 74, 96, 97)),
            *_points((55, 59, 54, 57, 76, 82, 79, 90, 94, 85, 16)),
        ),
        dict.fromkeys(COFW29.groups, EXACT)
        | dict.fromkeys(("left_brow", "right_brow"), "inner end from two points, the others exact")
        | {"nose": "tip and base exact; wings at the outer nostrils, lower than COFW's"},
    ),
)
"""All direct conversions; the order decides between ways of equal length."""


def conversion_path(source: LandmarkScheme, target: LandmarkScheme) -> tuple[Conversion, ...]:
    """The fewest conversions that lead from one scheme to another; none if they are the same.

    Raises:
        ConfigError: naming both, if no way leads there.
    """
    ways: list[tuple[LandmarkScheme, tuple[Conversion, ...]]] = [(source, ())]
    for scheme, way in ways:  # grows meanwhile
        if scheme == target:
            return way
        for step in CONVERSIONS:
            if step.source == scheme and all(step.target != known for known, _ in ways):
                ways.append((step.target, (*way, step)))
    reached = ", ".join(scheme.name for scheme, _ in ways[1:]) or "none"
    raise ConfigError(
        f"no conversion leads from scheme {source.name} ({source.n_landmarks} points) to "
        f"{target.name} ({target.n_landmarks}); to these one does: {reached}"
    )


def targets_of(source: LandmarkScheme, schemes: Iterable[LandmarkScheme]) -> list[LandmarkScheme]:
    """Those of some schemes that a scheme converts to, but itself."""
    found = []
    for target in schemes:
        try:
            if conversion_path(source, target):
                found.append(target)
        except ConfigError:
            continue
    return found


def conversion_matrix(source: LandmarkScheme, target: LandmarkScheme) -> npt.NDArray[np.float64]:
    """(M, N) weights of the whole way; see :func:`conversion_path`."""
    matrix = np.eye(source.n_landmarks)
    for step in conversion_path(source, target):
        matrix = step.matrix @ matrix
    return matrix


def convert_points(
    points: FloatArray, source: LandmarkScheme, target: LandmarkScheme
) -> npt.NDArray[np.float64]:
    """Points of ``target`` from points of ``source``.

    Args:
        points: (..., N, 2) landmarks, any frame; NaN where unknown.

    Returns:
        (..., M, 2), the same frame; NaN where a point that is needed is unknown.

    Raises:
        ShapeError: if ``points`` has another number of points than ``source``.
        ConfigError: if no conversion leads from ``source`` to ``target``.
    """
    matrix = conversion_matrix(source, target)
    given = np.asarray(points, dtype=np.float64)
    check_shape("points", given, (*map(str, range(given.ndim - 2)), source.n_landmarks, 2))
    unknown = np.asarray(~np.isfinite(given).all(axis=-1))
    converted = matrix @ np.where(unknown[..., None], 0.0, given)
    missing = unknown.astype(np.float64) @ (matrix != 0).T > 0
    return np.where(missing[..., None], np.nan, converted)


def point_named(points: FloatArray, scheme: LandmarkScheme, name: str) -> FloatArray:
    """(2,) one of (N, 2) landmarks, by the scheme's name for it or by one of face5.

    Raises:
        ConfigError: if there is no such landmark.
    """
    names = scheme.point_names
    if name in names:
        return np.asarray(points[names.index(name)])
    try:
        common = convert_points(points, scheme, FACE5)
        return np.asarray(common[FACE5.point_names.index(name)])
    except ValueError as error:
        raise ConfigError(f"{scheme.name}: it has no landmark {name}") from error
