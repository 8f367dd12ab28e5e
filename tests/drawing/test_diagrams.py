"""Diagrams: what is where, judged by colours."""

import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.datasets.synthetic import template_shape
from dan.drawing.diagrams import (
    DOUBT_RGB,
    EDGE_RGB,
    MIDDLE_RGB,
    POINT_RGB,
    SIDE,
    draw_mirror_fit,
    draw_scheme,
)
from dan.schemes import FACE5, FACE68, LandmarkScheme, MirrorFit

FIVE = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0], [1.0, 4.0], [3.0, 4.0]])


def has(picture, colour):
    return (picture == colour).all(axis=2)


def test_points_lie_where_they_should():
    picture = draw_scheme(FACE5, FIVE)
    height, width = picture.shape[:2]
    assert width > SIDE
    assert height > SIDE
    for (x, y), colour in zip(FIVE, [POINT_RGB, POINT_RGB, MIDDLE_RGB] + 2 * [POINT_RGB],
                              strict=True):  # fmt: skip
        place = np.rint([70 + x * SIDE / 4, 70 + y * SIDE / 4]).astype(int)
        assert has(picture, colour)[place[1], place[0]]


def test_edges_and_labels_are_drawn():
    bare = LandmarkScheme.plain(5)
    assert has(draw_scheme(FACE5, FIVE), EDGE_RGB).any()
    assert not has(draw_scheme(bare, FIVE), EDGE_RGB).any()
    assert not has(draw_scheme(bare, FIVE), MIDDLE_RGB).any()


def test_large_schemes_have_no_labels():
    grid = np.stack(np.meshgrid(np.arange(15.0), np.arange(15.0)), axis=2).reshape(-1, 2)
    picture = draw_scheme(LandmarkScheme.plain(225), grid)
    inside = picture[: picture.shape[0] - 50].astype(int)
    assert (inside.max(axis=2) > 100).all(), "no dark letters among the points"


@pytest.mark.parametrize("doubtful", [False, True])
def test_doubtful_pairs_have_their_colour(doubtful):
    shape = template_shape().astype(np.float64)
    support = np.ones(68)
    support[[0, 16]] = 0.5 if doubtful else 1.0
    fit = MirrorFit(FACE68.mirror, shape, np.zeros(68), np.ones(68), support, 20)
    picture = draw_mirror_fit(fit)
    assert has(picture, DOUBT_RGB).any() == doubtful
    assert has(picture, MIDDLE_RGB).any()


def test_another_number_of_positions():
    with pytest.raises(ShapeError, match=r"positions: expected shape \(5, 2\), got \(4, 2\)"):
        draw_scheme(FACE5, FIVE[:4])
