"""One-Euro smoothing of landmarks: steady where a face is still, quick where it moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dan.core.checks import as_points
from dan.core.types import FloatArray, Points


@dataclass(frozen=True)
class Smoothing:
    """Parameters of the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012).

    A point's cut-off frequency is ``min_cutoff_hz + beta·speed``. Speeds are in face sizes a
    second, so the parameters suit faces of any size in pictures of any resolution. The defaults
    come from ``benchmarks/tracking.py``, which says what others cost; docs/video.md has its table.

    Attributes:
        min_cutoff_hz: of a point at rest; less is steadier.
        beta: Hz for each face size a second; more lags less behind motion.
        speed_cutoff_hz: of the low-pass filter on the speed itself; the paper's 1 Hz.
    """

    min_cutoff_hz: float = 1.0
    beta: float = 10.0
    speed_cutoff_hz: float = 1.0


class OneEuroFilter:
    """Smooths the landmarks of one face from frame to frame."""

    def __init__(self, smoothing: Smoothing) -> None:
        self.smoothing = smoothing
        self._raw: Points | None = None
        self._smooth: Points = np.empty((0, 2))
        self._velocity: FloatArray = np.empty((0, 2))  # face sizes a second
        self._time_s = 0.0

    def __call__(self, points: Points, face_size: float, time_s: float) -> Points:
        """The smoothed points of the next frame.

        Args:
            points: (N, 2) landmarks as they were found, pixels.
            face_size: larger side of their box, pixels, positive.
            time_s: of the frame, later than the one before.
        """
        points = as_points("points", points).astype(np.float64)
        if self._raw is None:
            self._smooth, self._velocity = points, np.zeros_like(points)
        else:
            step_s = time_s - self._time_s
            smoothing = self.smoothing
            velocity = (points - self._raw) / (step_s * face_size)
            share = _share_of_new(smoothing.speed_cutoff_hz, step_s)
            self._velocity = self._velocity + share * (velocity - self._velocity)
            speed = np.linalg.norm(self._velocity, axis=1, keepdims=True)  # (N, 1)
            share = _share_of_new(smoothing.min_cutoff_hz + smoothing.beta * speed, step_s)
            self._smooth = self._smooth + share * (points - self._smooth)
        self._raw, self._time_s = points, time_s
        return self._smooth.astype(np.float32)


def _share_of_new(cutoff_hz: float | FloatArray, step_s: float) -> FloatArray:
    """Weight of the new value in a first-order low-pass filter."""
    turns = 2 * np.pi * np.asarray(cutoff_hz) * step_s
    share: FloatArray = turns / (1 + turns)
    return share
