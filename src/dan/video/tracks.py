"""One face followed: where it was, where it is going, how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dan.core.types import Box, FloatArray, Points
from dan.geometry import box_centre, box_of_points, box_overlap, box_size_wh, resize_transform
from dan.inference.faces import Face
from dan.video.smoothing import OneEuroFilter, Smoothing

MOTION_S = 0.1
"""Time over which a face's velocity is averaged.

On the five clips of docs/video.md the search then starts 0.85 % of the face's size from where it
ends, without motion 1.07 %; with every third frame alone 2.35 against 2.59 %. Half of the last step
does a little better (0.80 and 2.02 %), but says less of where a face is going.
"""


@dataclass
class Track:
    """A face that is followed.

    Attributes:
        face: as the network found it last, with the score of its last detection.
        time_s: of the frame in which it was last seen.
        smoothing: of what is shown; None: nothing is smoothed.
        shown: (N, 2) its points, smoothed.
        velocity_xy: of the centre of its box, pixels a second, averaged over ``MOTION_S``.
        surprise: how far from its expected place it was found lately, share of its size.
        misses: detections in a row that did not confirm it.
        confirmed_box: (4,) where it was last confirmed,
        confirmed_time_s: when,
        confirmed_velocity_xy: and how it moved then.
    """

    id: int
    face: Face
    time_s: float
    smoothing: Smoothing | None
    shown: Points = field(init=False)
    velocity_xy: FloatArray = field(default_factory=lambda: np.zeros(2))
    surprise: float = 0.0
    misses: int = 0
    confirmed_box: Box = field(init=False)
    confirmed_time_s: float = field(init=False)
    confirmed_velocity_xy: FloatArray = field(init=False)
    _smoother: OneEuroFilter | None = field(init=False)

    def __post_init__(self) -> None:
        self.confirm()
        self._show_anew()

    @property
    def points(self) -> Points:
        """(N, 2) as the network found them last, pixels."""
        return self.face.points_xy

    @property
    def box(self) -> Box:
        """(4,) of the landmarks, pixels."""
        return box_of_points(self.points)

    def predicted(self, time_s: float) -> Points:
        """(N, 2) where to look for it at a later time."""
        shift = self.velocity_xy * (time_s - self.time_s)
        return (self.points + shift).astype(np.float32)

    def places(self, time_s: float) -> list[Box]:
        """Where it may be at a later time, once it was lost: where it was, or further on."""
        shift = self.confirmed_velocity_xy * (time_s - self.confirmed_time_s)
        return [self.box, self.confirmed_box, self.confirmed_box + np.tile(shift, 2)]

    def move(self, face: Face, time_s: float) -> None:
        """Take over what was found in the next frame."""
        step_s = time_s - self.time_s
        share = step_s / (step_s + MOTION_S)
        moved = box_centre(face.box_xyxy) - box_centre(self.box)
        unexpected = moved - self.velocity_xy * step_s
        distance = float(np.hypot(*unexpected) / box_size_wh(self.box).max())
        self.surprise += share * (distance - self.surprise)
        self.velocity_xy = self.velocity_xy + share * unexpected / step_s
        self.face, self.time_s = replace(face, score=self.face.score), time_s
        self._show()

    def confirm(self) -> None:
        """Note that it is a face, here and now."""
        self.misses = 0
        self.confirmed_box, self.confirmed_time_s = self.box, self.time_s
        self.confirmed_velocity_xy = self.velocity_xy

    def correct(self, face: Face) -> None:
        """Take over a better place in the same frame; it says nothing about the motion."""
        self.face = face
        self.velocity_xy = np.zeros(2)
        self._show_anew()
        self.confirm()

    def rescale(self, factor: float) -> None:
        """Follow a picture that changes its size."""
        velocity_xy = self.velocity_xy * factor
        self.correct(self.face.moved(resize_transform(factor)))
        self.velocity_xy = self.confirmed_velocity_xy = velocity_xy

    def _show_anew(self) -> None:
        self._smoother = None if self.smoothing is None else OneEuroFilter(self.smoothing)
        self._show()

    def _show(self) -> None:
        self.shown = self.points
        if self._smoother is not None:
            size = float(box_size_wh(self.box).max())
            self.shown = self._smoother(self.points, size, self.time_s)


def match_boxes(
    boxes: Sequence[Box], others: Sequence[Box] | FloatArray, min_overlap: float
) -> list[tuple[int, int, float]]:
    """Pairs of one box each, the largest overlap first: (box, other, intersection over union)."""
    overlaps = [
        (box_overlap(box, other), place, other_place)
        for place, box in enumerate(boxes)
        for other_place, other in enumerate(others)
    ]
    pairs: list[tuple[int, int, float]] = []
    for overlap, place, other_place in sorted(overlaps, key=lambda entry: -entry[0]):
        is_free = all(place != one and other_place != two for one, two, _ in pairs)
        if overlap >= min_overlap and is_free:
            pairs.append((place, other_place, overlap))
    return pairs
