"""A clip of the portrait, blinking."""

import cv2
import numpy as np
import pytest
from helpers import PORTRAIT

from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner
from dan.video.writer import VideoWriter

BLINKS_S = (0.6, 1.3, 2.1)
"""When the lids start to fall; each takes five frames of 25 a second."""


def with_lids(picture, points, share):
    """The picture with both upper lids moved down over so much of the eye, 0..1."""
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    source = ys.copy()
    for eye in (points[36:42], points[42:48]):
        top = eye[:, 1].min() - 0.3 * np.ptp(eye[:, 0])
        for x in range(int(eye[0, 0]), int(eye[3, 0]) + 1):
            upper = np.interp(x, *eye[:4].T) - 1
            lower = np.interp(x, *eye[[0, 5, 4, 3]].T) + 1
            moved = upper + share * (lower - upper)
            column = (ys[:, x] >= top) & (ys[:, x] <= lower)
            source[column, x] = np.interp(ys[column, x], [top, moved, lower], [top, upper, lower])
    return cv2.remap(picture, xs, source, cv2.INTER_LINEAR)


@pytest.fixture(scope="session")
def blinking_clip(tmp_path_factory):
    """75 frames of three seconds, in which the portrait blinks at BLINKS_S."""
    picture = read_rgb(PORTRAIT)
    (face,) = FaceAligner()(picture)
    path = tmp_path_factory.mktemp("blinks") / "clip.mp4"
    falls = {round(25 * start) + k: f for start in BLINKS_S
             for k, f in enumerate((0.5, 0.9, 0.95, 0.8, 0.3))}  # fmt: skip
    with VideoWriter(path, 25) as clip:
        for frame in range(75):
            clip.write(with_lids(picture, face.points_xy, falls.get(frame, 0.0)))
    return path
