"""What detectors give: boxes of faces, how far each is turned, and how these fit the landmarks.

Every detector has its own idea of a face's box. The network expects the box of the landmarks, so
each detector brings a :class:`BoxFit`, fitted on training faces by ``benchmarks/box_fits.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_floats, check_shape
from dan.core.errors import ConfigError
from dan.core.types import ColourImage, FloatArray
from dan.geometry import Similarity, box_centre, estimate_similarity

FIVE_IN_BOX = np.array([[0.276, 0.18], [0.724, 0.18], [0.5, 0.43], [0.302, 0.65], [0.698, 0.65]])
"""(5, 2) eye centres, nose tip and mouth corners of the mean shape of 300-W's training faces, made
symmetric: shares of the square about the landmarks' box whose side is its mean of both sides."""


@dataclass(frozen=True)
class BoxFit:
    """From a detector's boxes to those of the landmarks: a shift and a scale on each axis.

    Attributes:
        shift_xy: of the centre, as shares of the detector box's width and height.
        scale_wh: of width and height.
    """

    shift_xy: tuple[float, float] = (0.0, 0.0)
    scale_wh: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not (np.isfinite([*self.shift_xy, *self.scale_wh]).all() and min(self.scale_wh) > 0):
            raise ConfigError(f"box fit: expected finite shifts and positive scales, got {self}")

    def apply(self, boxes_xyxy: npt.ArrayLike) -> FloatArray:
        """(F, 4) detector boxes -> (F, 4) float64 landmark boxes."""
        boxes = as_floats("boxes", boxes_xyxy)
        check_shape("boxes", boxes, ("F", 4))
        size = boxes[:, 2:] - boxes[:, :2]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + size * self.shift_xy
        half = size * self.scale_wh / 2
        return np.concatenate([centre - half, centre + half], axis=1)


@dataclass(frozen=True)
class Detections:
    """Faces found in a picture, best first.

    Attributes:
        boxes_xyxy: (F, 4) float64, pixels of the picture, the detector's own kind of box, of each
            face as it would stand upright.
        scores: (F,) float32, 0..1, higher is more confident.
        rolls_deg: (F,) float64, how far each box is turned about its centre to lie on its face:
            degrees, a positive one turns x towards y, clockwise on a screen. Empty: none is.
    """

    boxes_xyxy: FloatArray
    scores: npt.NDArray[np.float32]
    rolls_deg: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        boxes = as_floats("boxes_xyxy", self.boxes_xyxy)
        check_shape("boxes_xyxy", boxes, ("F", 4))
        rolls = as_floats("rolls_deg", self.rolls_deg)
        rolls = rolls if rolls.size else np.zeros(len(boxes))
        check_shape("scores", self.scores, (len(boxes),))
        check_shape("rolls_deg", rolls, (len(boxes),))
        object.__setattr__(self, "boxes_xyxy", boxes)
        object.__setattr__(self, "scores", as_floats("scores", self.scores).astype(np.float32))
        object.__setattr__(self, "rolls_deg", rolls)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.boxes_xyxy)

    def __getitem__(self, places: slice | list[int] | npt.NDArray[Any]) -> Detections:
        """Some of the faces."""
        if isinstance(places, list):
            places = np.array(places, dtype=np.intp)
        return Detections(self.boxes_xyxy[places], self.scores[places], self.rolls_deg[places])

    @classmethod
    def of(
        cls, boxes_xyxy: npt.ArrayLike, scores: npt.ArrayLike, rolls_deg: npt.ArrayLike = ()
    ) -> Detections:
        """Sorted by score; boxes or turns that are not finite, or span no area, are left out."""
        boxes, levels = as_floats("boxes_xyxy", boxes_xyxy), as_floats("scores", scores)
        boxes = boxes if boxes.size else boxes.reshape(0, 4)
        rolls = as_floats("rolls_deg", rolls_deg)
        rolls = rolls if rolls.size else np.zeros(len(boxes))
        check_shape("boxes_xyxy", boxes, ("F", 4))
        check_shape("scores", levels, (len(boxes),))
        check_shape("rolls_deg", rolls, (len(boxes),))
        spans = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(boxes).all(axis=1)
        spans &= np.isfinite(rolls)
        boxes, levels, rolls = boxes[spans], levels[spans], rolls[spans]
        order = np.argsort(-levels, kind="stable")
        return cls(boxes[order], levels[order].astype(np.float32), rolls[order])

    @classmethod
    def of_five_points(cls, points_xy: npt.ArrayLike, scores: npt.ArrayLike) -> Detections:
        """Landmark boxes from the five points that many detectors give.

        Args:
            points_xy: (F, 5, 2) pixels: eye centres (image left first where the face is upright),
                nose tip, mouth corners.
            scores: (F,) of the detector.

        Raises:
            ShapeError: if an array has another shape.
        """
        points = as_floats("points_xy", points_xy)
        points = points if points.size else points.reshape(0, 5, 2)
        check_shape("points_xy", points, ("F", 5, 2))
        known = np.array([np.isfinite(five).all() and np.ptp(five) > 0 for five in points], bool)
        moves = [estimate_similarity(FIVE_IN_BOX, five) for five in points[known]]
        centres = np.array([move.apply(np.full((1, 2), 0.5))[0] for move in moves]).reshape(-1, 2)
        half = np.array([move.scale / 2 for move in moves]).reshape(-1, 1)
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        rolls = [move.angle_deg for move in moves]
        return cls.of(boxes, as_floats("scores", scores)[known], rolls)

    def fitted(self, fit: BoxFit) -> Detections:
        """With the boxes of the landmarks in place of the detector's own."""
        boxes = fit.apply(self.boxes_xyxy)
        turned = [
            Similarity.about(box_centre(own), angle_deg=roll).apply(box_centre(box)[None])[0]
            for own, box, roll in zip(self.boxes_xyxy, boxes, self.rolls_deg, strict=True)
        ]
        moved = np.array(turned).reshape(-1, 2) - (boxes[:, :2] + boxes[:, 2:]) / 2
        return Detections(boxes + np.tile(moved, 2), self.scores, self.rolls_deg)


def one_a_face(
    boxes_xyxy: FloatArray | npt.NDArray[np.float32],
    scores: FloatArray | npt.NDArray[np.float32],
    max_overlap: float,
) -> npt.NDArray[np.intp]:
    """Places of the best of those boxes that overlap, best first (non-maximum suppression).

    Args:
        boxes_xyxy: (F, 4) pixels.
        scores: (F,) at least 0.
        max_overlap: intersection over union up to which two boxes are of different faces.
    """
    boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
    above_0 = np.asarray(scores) + 1.0  # OpenCV drops what is not above its limit, 0 at least
    kept = cv2.dnn.NMSBoxes(boxes_xywh.tolist(), above_0.tolist(), 0.0, max_overlap)
    return np.asarray(kept, dtype=np.intp)


class Detector(Protocol):
    """Anything that finds faces.

    Attributes:
        box_fit: from its boxes to those of the landmarks.
    """

    box_fit: BoxFit

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture; must be safe to call from several threads."""
