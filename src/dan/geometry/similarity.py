"""Similarity transforms of the plane: uniform scale, rotation, shift; no reflection.

Convention: a transform is named by its frames. ``crop_from_image`` takes image points to crop
points, and ``a_from_c = a_from_b @ b_from_c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_points
from dan.core.errors import DegenerateShapeError, ShapeError
from dan.core.types import FloatArray, Points


@dataclass(frozen=True)
class Similarity:
    """``(x, y) -> (a·x - b·y + tx, b·x + a·y + ty)``.

    ``a = scale·cos(angle)`` and ``b = scale·sin(angle)``; a positive angle turns x towards y, which
    is clockwise on a screen whose y axis points down.
    """

    a: float
    b: float
    tx: float
    ty: float

    @classmethod
    def identity(cls) -> Similarity:
        """The transform that moves nothing."""
        return cls(1.0, 0.0, 0.0, 0.0)

    @classmethod
    def about(
        cls,
        centre_xy: npt.ArrayLike,
        *,
        scale: float = 1.0,
        angle_deg: float = 0.0,
        move_to_xy: npt.ArrayLike | None = None,
    ) -> Similarity:
        """Scale and turn about ``centre_xy``, which lands on ``move_to_xy`` (default: stays)."""
        angle = np.deg2rad(angle_deg)
        a, b = float(scale * np.cos(angle)), float(scale * np.sin(angle))
        cx, cy = (float(v) for v in np.asarray(centre_xy))
        mx, my = (cx, cy) if move_to_xy is None else (float(v) for v in np.asarray(move_to_xy))
        return cls(a, b, mx - (a * cx - b * cy), my - (b * cx + a * cy))

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3) float64 matrix ``[[a, -b, tx], [b, a, ty]]``."""
        return np.array([[self.a, -self.b, self.tx], [self.b, self.a, self.ty]])

    @property
    def scale(self) -> float:
        """How much longer every distance becomes."""
        return float(np.hypot(self.a, self.b))

    @property
    def angle_deg(self) -> float:
        """Rotation in degrees, -180..180."""
        return float(np.rad2deg(np.arctan2(self.b, self.a)))

    def apply(self, points: Points) -> Points:
        """Move (N, 2) points; the result keeps the floating type of the input."""
        points = as_points("points", points)
        linear = self.matrix.T
        moved = np.asarray(points, np.float64) @ linear[:2]
        moved += linear[2]
        return moved.astype(points.dtype, copy=False)

    def apply_to_covariance(self, covariance: FloatArray) -> FloatArray:
        """Covariances (..., 2, 2) of points' errors, as they are after the points were moved."""
        linear = self.matrix[:, :2]
        return (linear @ covariance @ linear.T).astype(covariance.dtype)

    def inverse(self) -> Similarity:
        """The transform that undoes this one.

        Raises:
            DegenerateShapeError: if the scale is zero.
        """
        square = self.a**2 + self.b**2
        if square == 0.0:
            raise DegenerateShapeError("similarity: expected a positive scale, got 0")
        a, b = self.a / square, -self.b / square
        return Similarity(a, b, -(a * self.tx - b * self.ty), -(b * self.tx + a * self.ty))

    def __matmul__(self, other: Similarity) -> Similarity:
        """Composition: ``(a_from_b @ b_from_c).apply(p) == a_from_b.apply(b_from_c.apply(p))``."""
        return Similarity(
            self.a * other.a - self.b * other.b,
            self.b * other.a + self.a * other.b,
            self.a * other.tx - self.b * other.ty + self.tx,
            self.b * other.tx + self.a * other.ty + self.ty,
        )


def estimate_similarity(src: Points, dst: Points) -> Similarity:
    """Least-squares similarity that maps ``src`` onto ``dst`` (no reflection).

    Closed form from sums: with centred points, ``a = Σ(x·u + y·v) / Σ(x² + y²)`` and
    ``b = Σ(x·v - y·u) / Σ(x² + y²)``.

    Args:
        src: (N, 2) points, pixels of the source frame, N >= 2.
        dst: (N, 2) points, pixels of the target frame, same order.

    Raises:
        ShapeError: if the shapes differ or N < 2.
        DegenerateShapeError: if all source points coincide, or a point is not finite.
    """
    src64 = as_points("src", src).astype(np.float64)
    dst64 = as_points("dst", dst, len(src64)).astype(np.float64)
    if len(src64) < 2:
        raise ShapeError(f"src: expected at least 2 points, got {len(src64)}")
    if not (np.isfinite(src64).all() and np.isfinite(dst64).all()):
        raise DegenerateShapeError("src and dst: expected finite points, got NaN or infinite ones")
    src_centre: npt.NDArray[Any] = src64.mean(axis=0)
    dst_centre: npt.NDArray[Any] = dst64.mean(axis=0)
    x, y = (src64 - src_centre).T
    u, v = (dst64 - dst_centre).T
    spread = float(x @ x + y @ y)
    if spread <= 1e-12 * max(1.0, float(np.abs(src64).max()) ** 2):
        raise DegenerateShapeError(f"src: expected points that differ, got {len(src64)} equal ones")
    a, b = float(x @ u + y @ v) / spread, float(x @ v - y @ u) / spread
    cx, cy = src_centre
    return Similarity(
        a, b, float(dst_centre[0] - (a * cx - b * cy)), float(dst_centre[1] - (b * cx + a * cy))
    )
