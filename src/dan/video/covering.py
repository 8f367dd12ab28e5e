"""Which places of a picture or of the next frame are to be covered, so that nobody is seen.

A false cover is better than a face: all that the aligner takes for a face counts, all that comes
near to it, and, in a video, every place where one of these was lately.
"""

from __future__ import annotations

import math

import numpy as np

from dan.core.errors import ConfigError
from dan.core.types import ColourImage, FloatArray
from dan.geometry import box_of_points, box_overlap
from dan.inference.aligner import FaceAligner
from dan.inference.faces import Faces
from dan.points.covers import How, box_outline, cover, face_outline, grown
from dan.video.reader import Frame
from dan.video.tracked_faces import TrackedFaces

MAY_BE = 0.6
"""Sum of the detector's score and the landmarks' confidence from which a finding is covered."""

ON_A_FACE = 0.5
"""Overlap with a face's box from which a finding adds nothing to it."""

SAME_PLACE = 0.2
"""Overlap with an earlier finding, of no tracked face, from which a finding takes its place."""

HOLD_S = 2.0
"""Time for which the last place of a face that was lost stays covered."""

GROWTH_PER_S = 0.5
"""By so much of its size that place grows in a second."""


def outlines_in(
    picture: ColourImage, aligner: FaceAligner, faces: Faces | None = None
) -> list[FloatArray]:
    """(K, 2) outlines of the faces of a picture, then of all else in it that may be one.

    Args:
        picture: (H, W, 3) RGB uint8.
        faces: that are known already, as a tracker knows them; None: they are looked for.
    """
    found = aligner.detect(picture)
    if faces is None:
        faces = aligner(picture, boxes=found)
    others = [
        place
        for place, box in enumerate(found.boxes_xyxy)
        if all(box_overlap(box, face.box_xyxy) < ON_A_FACE for face in faces)
    ]
    weak = found[others]
    if len(weak):
        seen = aligner.search(picture, boxes=weak).batch.found_by(aligner.model)
        is_unlikely = weak.scores + seen.confidence < MAY_BE  # never where it is not known
        weak = weak[np.flatnonzero(~is_unlikely)]
    outlines = [face_outline(face.points_xy, face.scheme) for face in faces]
    pairs = zip(weak.boxes_xyxy, weak.rolls_deg, strict=True)
    return outlines + [box_outline(box, float(roll)) for box, roll in pairs]


class Covering:
    """Covers the faces of a video, frame after frame.

    A face that is lost stays covered where it was last, growing, until it is found again under its
    id, or ``hold_s`` seconds are over. What the detector alone finds stays covered as long.

    Args:
        aligner: that of the tracker; its detector looks at every frame.
        how: see :func:`dan.points.covers.cover`.

    Raises:
        ConfigError: if ``hold_s`` is negative.
    """

    def __init__(self, aligner: FaceAligner, how: How = "blur", *, hold_s: float = HOLD_S) -> None:
        if not 0 <= hold_s < math.inf:
            raise ConfigError(f"hold: expected 0 seconds or more, got {hold_s}")
        self.aligner, self.how, self.hold_s = aligner, how, hold_s
        self._places: dict[int, tuple[float, FloatArray]] = {}
        self._n_untracked = 0

    def __call__(self, frame: Frame, faces: TrackedFaces) -> ColourImage:
        """A copy of the frame, its faces covered.

        Args:
            faces: what the tracker found in it.
        """
        outlines = outlines_in(frame.rgb, self.aligner, faces)
        for place, outline in enumerate(outlines):
            is_tracked = place < len(faces)
            known = int(faces.ids[place]) if is_tracked else self._untracked(outline, frame.time_s)
            self._places[known] = frame.time_s, outline
        ages = {known: frame.time_s - time_s for known, (time_s, _) in self._places.items()}
        self._places = {
            known: place for known, place in self._places.items() if ages[known] <= self.hold_s
        }
        held = [
            grown(outline, 1 + GROWTH_PER_S * ages[known])
            for known, (_, outline) in self._places.items()
        ]
        return cover(frame.rgb, held, self.how)

    def _untracked(self, outline: FloatArray, time_s: float) -> int:
        """Below 0: the number of what was found at that place in a frame before, or a new one."""
        box = box_of_points(outline)
        for known, (seen_s, before) in self._places.items():
            is_same = box_overlap(box, box_of_points(before)) > SAME_PLACE
            if known < 0 and seen_s < time_s and is_same:
                return known
        self._n_untracked += 1
        return -self._n_untracked
