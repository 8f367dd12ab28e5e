import numpy as np
import pytest

from dan.datasets.synthetic import template_shape
from dan.video.plausibility import why_not_a_face

SHAPE = template_shape()
FACE = 100 * SHAPE + [150, 120]
MIRRORED_UP = FACE * [1, -1] + [0, 240]  # upside down by a reflection: no similarity undoes it


@pytest.mark.parametrize(
    ("points", "confidence", "before", "reason"),
    [
        (FACE, 0.9, None, ""),
        (FACE, np.nan, None, ""),
        (FACE, 0.1, FACE, ""),
        (FACE, 0.0999, FACE, "confidence"),
        (FACE - [150, 0], np.nan, None, ""),  # a good half still in the picture
        (FACE - [175, 0], np.nan, None, "outside"),
        (FACE + np.array([0, 175]), 0.9, None, "outside"),
        (1.45 * FACE - [60, 50], 0.9, FACE, ""),
        (1.55 * FACE - [80, 60], 0.9, FACE, "size"),
        (FACE / 1.55, 0.9, FACE, "size"),
        (MIRRORED_UP, np.nan, None, "shape"),
        (np.full((68, 2), 50.0), np.nan, None, "shape"),
        (FACE * [1, np.nan], np.nan, None, "shape"),
    ],
)
def test_reasons(points, confidence, before, reason):
    judged = why_not_a_face(
        points, confidence, frame_wh=(320, 240), mean_shape=SHAPE, lost_below=0.1, before=before
    )
    assert judged == reason
