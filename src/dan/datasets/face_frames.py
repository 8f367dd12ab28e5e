"""Frames of faces, turned ones too: what a face finder learns from, and the file that lists them.

A frame is the square about a face: centre, side and roll. Its side is the mean of the width and the
height of the landmarks' box when the face is brought upright.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import FormatError, ShapeError
from dan.core.files import read_bytes, write_bytes
from dan.core.types import FilePath, FloatArray, Points
from dan.geometry import Similarity, box_of_points, estimate_similarity

LEAST_POINTS = 3
"""With a position, of a face that has a frame."""


@dataclass(frozen=True)
class FramedPicture:
    """A picture and its faces.

    Attributes:
        path: the picture's file.
        frames: (F, 4) of its faces: centre x and y, side, pixels; roll in degrees, positive where
            the face is turned from x towards y.
        ignored: (I, 4) likewise, of what may or may not be faces.
    """

    path: Path
    frames: FloatArray
    ignored: FloatArray

    def __post_init__(self) -> None:
        check_shape("frames", self.frames, ("F", 4))
        check_shape("ignored", self.ignored, ("I", 4))


def frame_of_points(points: Points, mean_shape: Points) -> FloatArray:
    """(4,) frame of a face with (N, 2) landmarks; those that are NaN do not count.

    Args:
        points: pixels of the picture.
        mean_shape: (N, 2) upright mean shape of the landmarks, at any place and scale.

    Raises:
        ShapeError: if fewer than three points have a position.
        DegenerateShapeError: if they coincide.
    """
    known = np.isfinite(points).all(axis=1)
    if known.sum() < LEAST_POINTS:
        raise ShapeError(f"points: expected {LEAST_POINTS} with a position, got {known.sum()}")
    roll_deg = estimate_similarity(mean_shape[known], points[known]).angle_deg
    upright_from_image = Similarity.about((0, 0), angle_deg=-roll_deg)
    x0, y0, x1, y1 = box_of_points(upright_from_image.apply(points[known]))
    (centre,) = upright_from_image.inverse().apply(np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]))
    return np.array([*centre, (x1 - x0 + y1 - y0) / 2, roll_deg])


_Side = Annotated[float, msgspec.Meta(gt=0)]
_Row = tuple[float, float, _Side, float]


class _Record(msgspec.Struct, omit_defaults=True):
    file: str
    faces: list[_Row] = []
    ignored: list[_Row] = []


class _File(msgspec.Struct):
    pictures: list[_Record]


def save_framed(path: FilePath, pictures: Iterable[FramedPicture], root: FilePath) -> None:
    """Write a JSON file of pictures below ``root``, named relative to it; hundredths are kept."""

    def rows(frames: FloatArray) -> list[_Row]:
        return [(x, y, side, roll) for x, y, side, roll in frames.round(2).tolist()]

    records = [
        _Record(
            picture.path.relative_to(root).as_posix(), rows(picture.frames), rows(picture.ignored)
        )
        for picture in pictures
    ]
    write_bytes(path, msgspec.json.encode(_File(records)))


def load_framed(path: FilePath, root: FilePath) -> list[FramedPicture]:
    """Read what :func:`save_framed` wrote; the pictures lie below ``root``.

    Raises:
        FormatError: naming the file, if it is missing or something else.
    """
    try:
        records = msgspec.json.decode(read_bytes(path), type=_File).pictures
    except msgspec.DecodeError as error:
        raise FormatError(f"{path}: expected frames of faces ({error})") from error
    return [
        FramedPicture(
            Path(root) / record.file,
            np.array(record.faces, dtype=float).reshape(-1, 4),
            np.array(record.ignored, dtype=float).reshape(-1, 4),
        )
        for record in records
    ]
