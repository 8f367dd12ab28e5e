"""Covers hide what lies under them and nothing else."""

import numpy as np
import pytest

from dan.core.errors import ConfigError
from dan.points.covers import CELLS, box_outline, cover, face_outline
from dan.points.shapes import fill_outlines, part_mask
from dan.schemes import FACE5, FACE68

SQUARE = np.array([(20, 20), (80, 20), (80, 80), (20, 80)], dtype=float)


def noise(seed=0, size=100):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("how", ["blur", "pixelate", "fill"])
def test_what_lies_under_a_cover_cannot_be_told(how):
    picture = noise()
    covered = cover(picture, [SQUARE], how)
    inside = fill_outlines([SQUARE], (100, 100))
    assert (covered[~inside] == picture[~inside]).all()
    assert (noise() == picture).all()  # which is not changed
    # White noise under means of 10 x 10 pixels keeps a tenth of its spread.
    assert covered[inside].std() <= picture[inside].std() / 8
    if how == "pixelate":
        colours = np.unique(covered[21:80, 21:80].reshape(-1, 3), axis=0)
        assert len(colours) <= (CELLS + 1) ** 2
    if how == "fill":
        assert not covered[inside].any()


def test_outlines_beyond_the_picture():
    picture = noise()
    assert (cover(picture, [SQUARE + 200, SQUARE - 200]) == picture).all()
    partly = cover(picture, [SQUARE - 50], "fill")
    assert not partly[:30, :30].any()
    assert (partly[40:] == picture[40:]).all()
    assert not cover(picture, [SQUARE * 1000 - 50000], "fill").any()


def test_how_has_to_be_known():
    with pytest.raises(ConfigError, match="how: expected one of blur, pixelate, fill, got smear"):
        cover(noise(), [], "smear")


def test_the_outline_of_a_face_has_a_margin():
    face = np.random.default_rng(1).uniform(80, 120, (68, 2))
    face[:17] = np.c_[np.linspace(70, 130, 17), 130 - np.abs(np.linspace(-30, 30, 17))]
    outline = fill_outlines([face_outline(face, FACE68)], (200, 200))
    assert (outline >= part_mask(face, FACE68, (200, 200), "face")).all()
    five = np.array([(80, 80), (120, 80), (100, 100), (85, 120), (115, 120)], dtype=float)
    around = fill_outlines([face_outline(five, FACE5)], (200, 200))
    assert around[60, 100]
    assert around[135, 100]


def test_the_ellipse_over_a_box_holds_it_and_turns_with_it():
    box = (80, 90, 120, 130)
    upright = fill_outlines([box_outline(box)], (200, 200))
    assert upright[90:131, 80:121].all()
    assert upright[65, 100]  # the forehead
    assert not upright[145, 100]
    turned = fill_outlines([box_outline(box, 90.0)], (200, 200))
    assert turned[110, 145]  # up turns to the right
    assert not turned[110, 65]
