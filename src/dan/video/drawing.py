"""Tracked faces painted on a copy of their frame, each id in its colour."""

from __future__ import annotations

import math

from dan.core.types import ColourImage
from dan.drawing.landmarks import Colour, draw_face
from dan.video.tracked_faces import TrackedFaces

ID_COLOURS: tuple[Colour, ...] = (
    (90, 215, 255),
    (255, 180, 60),
    (120, 235, 150),
    (255, 130, 190),
    (245, 235, 90),
    (170, 150, 255),
    (255, 120, 90),
    (200, 240, 240),
)
"""Light, so that they read on any skin, and told apart by hue and by lightness; then from the
beginning again."""


def colour_of(track_id: int) -> Colour:
    """The colour of an id, 1 and up; ids that follow each other differ."""
    return ID_COLOURS[(track_id - 1) % len(ID_COLOURS)]


def draw_tracked(
    frame_rgb: ColourImage, faces: TrackedFaces, *, certainty: bool = False, axes: bool = False
) -> ColourImage:
    """A copy of the (H, W, 3) RGB frame with points, edges, boxes, ids and confidence.

    For ``certainty`` and ``axes`` see :meth:`dan.inference.faces.Faces.draw`.
    """
    picture = frame_rgb.copy()
    for face in faces:
        is_known = not math.isnan(face.confidence)
        picture = draw_face(
            picture,
            face.points_xy,
            face.scheme,
            box_xyxy=face.box_xyxy,
            label=f"{face.id}: {face.confidence:.0%}" if is_known else f"{face.id}",
            colour=colour_of(face.id or 1),
            covariance=face.covariance if certainty else None,
            visibility=face.visibility if certainty else None,
            axes_xy=face.axes_xy() if axes else None,
        )
    return picture
