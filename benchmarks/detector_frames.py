"""Where a detector says that faces are, which of them is which true face, and where to start."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dan.core.types import ColourImage, FloatArray
from dan.geometry import Similarity
from dan.geometry.mean_shape import box_from_shape
from dan.inference.detections import Detector
from scenes import TrueFace

NEAR = 0.4
"""Of the face's size: how far from its centre a detection may be."""


def centres_of(boxes_xyxy: FloatArray) -> FloatArray:
    """(F, 2) centres of (F, 4) boxes."""
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2


@dataclass(frozen=True)
class Frames:
    """Boxes of F upright faces, each turned about its own centre.

    Attributes:
        boxes_xyxy: (F, 4) boxes that the landmarks should fill, pixels.
        rolls_deg: (F,) angles, clockwise on screen.
    """

    boxes_xyxy: FloatArray
    rolls_deg: FloatArray

    @classmethod
    def found(cls, detector: Detector, picture: ColourImage) -> "Frames":
        """What a detector finds; its box fit is turned with the face."""
        fitted = detector.detect(picture).fitted(detector.box_fit)
        return cls(fitted.boxes_xyxy, fitted.rolls_deg)

    @classmethod
    def true(cls, faces: Sequence[TrueFace]) -> "Frames":
        """Where the faces are."""
        boxes = np.array([face.box_xyxy for face in faces]).reshape(-1, 4)
        return cls(boxes, np.array([face.roll_deg for face in faces]))

    def starts(self, mean_shape: FloatArray) -> FloatArray:
        """(F, N, 2) the mean shape in each."""
        shapes = [
            Similarity.about((box[:2] + box[2:]) / 2, angle_deg=roll).apply(
                box_from_shape(mean_shape, box).apply(mean_shape)
            )
            for box, roll in zip(self.boxes_xyxy, self.rolls_deg, strict=True)
        ]
        return np.array(shapes).reshape(-1, *mean_shape.shape)

    def nearest(self, faces: Sequence[TrueFace]) -> list[int | None]:
        """For each face the index of the frame that is nearest; None where it is too far."""
        centres = centres_of(self.boxes_xyxy)
        places: list[int | None] = []
        for face in faces:
            distances = np.linalg.norm(centres - face.centre_xy, axis=1)
            is_near = len(distances) and distances.min() < NEAR * face.size
            places.append(int(np.argmin(distances)) if is_near else None)
        return places
