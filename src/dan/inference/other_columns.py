"""Faces in the columns of OpenFace 2 and of Py-Feat, for the scripts that read theirs.

OpenFace 2.2: names, order and decimals of its ``RecorderCSV.cpp``, with head pose and 2D landmarks;
the columns of what else it measures are left out, as it does itself where they are not asked for.
Py-Feat 2: names and order of its ``Detectorv2``, angles in radians as its maintainers say (issue
248; before version 0.7 they were degrees). What is not known is left empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dan.core.errors import ConfigError, DegenerateShapeError
from dan.points.pose import HeadPose, estimate_poses
from dan.schemes import FACE68, LandmarkScheme
from dan.schemes.conversions import convert_points

SUCCESS = 0.5
"""Confidence from which OpenFace's ``success`` is 1."""

_POINTS = [f"{axis}_{place}" for axis in "xy" for place in range(FACE68.n_landmarks)]
_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")


@dataclass(frozen=True)
class Sighting:
    """Where a face was seen.

    Attributes:
        number: of the face in its picture, or its id in a video, 1 and up.
        size_wh: of the picture, pixels; OpenFace's pose needs it.
        frame: of the video, or which of the pictures it is, 0 and up.
        time_s: None: not in a video.
        file: the picture; a video's table does not name it.
    """

    number: int
    size_wh: tuple[int, int] | None = None
    frame: int = 0
    time_s: float | None = None
    file: str = ""


def openface_columns(*, video: bool) -> list[str]:
    """The first line of OpenFace's table of a video or a picture."""
    keys = ("frame", "face_id", "timestamp", "confidence", "success")
    pose = (f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz")
    return [*(keys if video else ("face", "confidence")), *pose, *_POINTS]


def openface_values(face: Mapping[str, Any], scheme: LandmarkScheme, seen: Sighting) -> list[str]:
    """A row of OpenFace's table: frames count from 1, faces from 0; millimetres and radians.

    Args:
        face: as :meth:`dan.inference.faces.Face.to_dict` gives it. Where the model knows no
            confidence, the detector's score stands in for it.

    Raises:
        ConfigError: if the size of the picture is missing.
    """
    if seen.size_wh is None:
        raise ConfigError("OpenFace's columns: expected size_wh of the picture, got None")
    sure = face["score"] if face["confidence"] is None else face["confidence"]
    place = str(seen.number - 1)
    if seen.time_s is None:
        keys = [place, *_texts([sure], 3)]
    else:
        keys = [str(seen.frame + 1), place, *_texts([seen.time_s], 3), *_texts([sure], 2)]
        keys.append(str(int(sure >= SUCCESS)))
    pose = _pose(face, scheme, seen.size_wh)
    six = [math.nan] * 6 if pose is None else pose.as_openface(seen.size_wh).tolist()
    return [*keys, *_texts(six[:3], 1), *_texts(six[3:], 3), *_texts(_points(face, scheme), 1)]


def pyfeat_columns(*, video: bool) -> list[str]:
    """The first line of a table that Py-Feat's ``read_feat`` takes."""
    keys = ("frame", "Identity") if video else ("input", "frame")
    return [*_BOX, *_POINTS, "Pitch", "Roll", "Yaw", *keys]


def pyfeat_values(face: Mapping[str, Any], scheme: LandmarkScheme, seen: Sighting) -> list[str]:
    """A row of Py-Feat's table, with the box of the points; frames and persons count from 0.

    The angles are those of 300W-LP, see :meth:`dan.points.pose.HeadPose.as_300wlp`, as in
    ``convert_to_euler`` of ``feat/utils/image_operations.py``: positive pitch looks up, positive
    roll tilts clockwise, positive yaw looks to the picture's left. They are against the line of
    sight, as those of ``Detectorv2``, which sees the face alone.
    """
    x0, y0, x1, y1 = face["box_xyxy"]
    pose = _pose(face, scheme)
    pitch, yaw, roll = [math.nan] * 3 if pose is None else pose.as_300wlp().tolist()
    box = _texts([x0, y0, x1 - x0, y1 - y0], 3)
    numbers = [*_texts(_points(face, scheme), 3), *_texts([pitch, roll, yaw], 4)]
    if seen.time_s is None:
        keys = [seen.file, str(seen.frame)]
    else:
        keys = [str(seen.frame), f"Person_{seen.number - 1}"]
    return [*box, *_texts([face["score"]], 4), *numbers, *keys]


def _pose(
    face: Mapping[str, Any], scheme: LandmarkScheme, size_wh: tuple[int, int] | None = None
) -> HeadPose | None:
    points = np.array([face["points_xy"]], dtype=np.float64)
    try:
        (pose,) = estimate_poses(points, scheme, size_wh=size_wh)
    except DegenerateShapeError:
        return None
    return pose


def _points(face: Mapping[str, Any], scheme: LandmarkScheme) -> list[float]:
    """All x, then all y, of ``face68``."""
    points = np.array(face["points_xy"], dtype=np.float64)
    flat: list[float] = convert_points(points, scheme, FACE68).T.ravel().tolist()
    return flat


def _texts(values: Iterable[float], decimals: int) -> list[str]:
    """Numbers with so many decimals, none as ``-0.0``; NaN is left empty."""
    rounded = (round(value, decimals) + 0.0 for value in values)
    return ["" if math.isnan(value) else f"{value:.{decimals}f}" for value in rounded]
