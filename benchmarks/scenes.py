"""Pictures and the faces that are known in them: turned, spoilt, and composed of many."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from dan.core.types import Box, ColourImage, FloatArray, Points
from dan.geometry import (
    Similarity,
    box_centre,
    box_of_points,
    box_size_wh,
    estimate_similarity,
    warp_image,
)

SCENE_WH = (640, 480)

REACH = 1.1
"""Radius of the disc that is cut out around a face, in its sizes: with hair, chin and ears."""


@dataclass(frozen=True)
class TrueFace:
    """A face whose place is known.

    Attributes:
        points_xy: (68, 2) landmarks, pixels; NaN where unknown.
        box_xyxy: (4,) box of the known landmarks, the face brought upright, to be turned about its
            own centre by ``roll_deg``.
        roll_deg: angle of the similarity that carries the mean shape to the known landmarks.
        length: what errors are divided by, pixels.
    """

    points_xy: Points
    box_xyxy: Box
    roll_deg: float
    length: float

    @classmethod
    def of(cls, points_xy: Points, mean_shape: Points) -> "TrueFace":
        """Its length is the distance of the outer eye corners: NaN where one is unknown."""
        points = np.asarray(points_xy, dtype=np.float64)
        known = np.isfinite(points).all(axis=1)
        roll = estimate_similarity(mean_shape[known], points[known]).angle_deg
        upright = Similarity.about((0, 0), angle_deg=-roll)
        box = box_of_points(upright.apply(points[known]))
        centre = upright.inverse().apply(box_centre(box)[None])[0]
        half = box_size_wh(box) / 2
        corners = np.concatenate([centre - half, centre + half])
        return cls(points, corners, roll, float(np.linalg.norm(points[36] - points[45])))

    def with_length_by_size(self, mean_shape: Points) -> "TrueFace":
        """Its length is what the mean shape has between the eye corners at this face's size."""
        size = float(box_size_wh(box_of_points(mean_shape)).mean())
        between = float(np.linalg.norm(mean_shape[36] - mean_shape[45]))
        return replace(self, length=between * self.size / size)

    @property
    def centre_xy(self) -> FloatArray:
        """(2,) pixels."""
        return box_centre(self.box_xyxy)

    @property
    def size(self) -> float:
        """Mean of the box's width and height, pixels."""
        return float(box_size_wh(self.box_xyxy).mean())


@dataclass(frozen=True)
class Scene:
    """A picture and the faces in it that are known."""

    picture: ColourImage
    faces: tuple[TrueFace, ...] = ()


# ------------------------------------------------------------------------------- one face, changed


def turned(picture: ColourImage, angle_deg: float) -> tuple[ColourImage, Similarity]:
    """The whole picture turned clockwise on screen, on black, and where its points went."""
    height, width = picture.shape[:2]
    cos, sin = abs(math.cos(math.radians(angle_deg))), abs(math.sin(math.radians(angle_deg)))
    spans = width * cos + height * sin, width * sin + height * cos
    size_wh = [math.ceil(round(span, 6)) for span in spans]
    move = Similarity.about(
        [(width - 1) / 2, (height - 1) / 2],
        angle_deg=angle_deg,
        move_to_xy=[(side - 1) / 2 for side in size_wh],
    )
    return cv2.warpAffine(picture, move.matrix, size_wh, flags=cv2.INTER_LINEAR), move


def darkened(picture: ColourImage, _: float) -> ColourImage:
    """A quarter of the light, and noise with a standard deviation of 8 levels."""
    noise = np.random.default_rng(picture.size).normal(0, 8, picture.shape)
    return np.clip(picture / 4 + noise, 0, 255).round().astype(np.uint8)


def blurred(picture: ColourImage, face_size: float) -> ColourImage:
    """Gaussian, with a standard deviation of 4 % of the face's size."""
    return cv2.GaussianBlur(picture, (0, 0), 0.04 * face_size)


# ----------------------------------------------------------------------------- many faces, composed


def composed(
    ground: ColourImage,
    faces: Sequence[tuple[Callable[[], ColourImage], TrueFace]],
    sizes: tuple[int, int],
    mean_shape: Points,
    rng: np.random.Generator,
    *,
    any_angle: bool,
    side_by_side: bool,
) -> Scene:
    """Faces in the cells of a grid, as many as there is room for, the first of them.

    Args:
        ground: picture without a face that is cropped and scaled to ``SCENE_WH``.
        faces: what reads the picture of each, and where the face is in it.
        sizes: bounds of the size that each face gets, pixels.
        mean_shape: see :meth:`TrueFace.of`.
        rng: of sizes, places and angles.
        any_angle: turn each face by -180 to 180 degrees more; else all stay as they are.
        side_by_side: fill all cells with what surrounds the faces; else a face with a soft edge is
            in half of them.
    """
    canvas, cell = covering(ground, SCENE_WH), math.ceil(2 * REACH * sizes[1])
    cells = rng.permutation(
        [(x, y) for y in starts(SCENE_WH[1], cell) for x in starts(SCENE_WH[0], cell)]
    )
    room = len(cells) if side_by_side else max(1, len(cells) // 2)
    placed = []
    for origin, (read, face) in zip(cells[:room].tolist(), faces, strict=False):
        size = math.exp(rng.uniform(*np.log(sizes)))
        free = (cell - 1) / 2 - REACH * size
        cell_from_picture = Similarity.about(
            face.centre_xy,
            scale=size / face.size,
            angle_deg=rng.uniform(-180, 180) if any_angle else 0.0,
            move_to_xy=(cell - 1) / 2 + rng.uniform(-1, 1, 2) * max(free, 0.0),
        )
        reach = math.inf if side_by_side else REACH * size
        x, y = origin
        paste(canvas[y : y + cell, x : x + cell], read(), cell_from_picture, face, reach)
        scene_from_picture = Similarity(1.0, 0.0, x, y) @ cell_from_picture
        placed.append(TrueFace.of(scene_from_picture.apply(face.points_xy), mean_shape))
    return Scene(canvas, tuple(placed))


def starts(length: int, cell: int) -> list[int]:
    """Of as many whole cells as fit, the rest shared by both ends."""
    count = length // cell
    return [(length - count * cell) // 2 + place * cell for place in range(count)]


def paste(
    cell: ColourImage,
    picture: ColourImage,
    cell_from_picture: Similarity,
    face: TrueFace,
    reach: float,
) -> None:
    """Lay a picture on a square part of another, in place.

    Args:
        cell: (C, C, 3) the part.
        picture: what is laid on it, where it reaches.
        cell_from_picture: where it comes to lie.
        face: in the picture.
        reach: pixels of the cell from the face's centre to where the picture has faded out.
    """
    side = len(cell)
    patch = warp_image(picture, cell_from_picture, (side, side))
    whole = np.ones(picture.shape[:2], dtype=np.float32)
    covered = cv2.warpAffine(whole, cell_from_picture.matrix, (side, side))
    x, y = cell_from_picture.apply(face.centre_xy[None])[0]
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(columns - x, rows - y)
    if math.isfinite(reach):
        covered = covered * np.clip((1 - distance / reach) / 0.15, 0, 1)
    weight = covered[..., None]
    cell[:] = np.rint(weight * patch + (1 - weight) * cell)


def covering(picture: ColourImage, size_wh: tuple[int, int]) -> ColourImage:
    """The middle of a picture that is scaled to cover so many pixels."""
    height, width = picture.shape[:2]
    scale = max(size_wh[0] / width, size_wh[1] / height)
    move = Similarity.about(
        [(width - 1) / 2, (height - 1) / 2],
        scale=scale,
        move_to_xy=[(side - 1) / 2 for side in size_wh],
    )
    return warp_image(picture, move, size_wh)
