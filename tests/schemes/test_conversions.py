"""Conversions between schemes: which points, and what holds for all of them."""

from dataclasses import replace

import numpy as np
import pytest

from dan.core.errors import ConfigError, ShapeError
from dan.datasets.synthetic import template_shape
from dan.schemes import (
    COFW29,
    CONVERSIONS,
    FACE5,
    FACE51,
    FACE68,
    MEDIAPIPE468,
    WFLW98,
    LandmarkScheme,
    conversion_matrix,
    conversion_path,
    convert_points,
)

RNG = np.random.default_rng(0)
# Vertices of the mesh that lie opposite each other: its outlines of face, eyes, brows and lips,
# read from both ends (FACEMESH_FACE_OVAL and the like).
MESH_PAIRS = {
    **{127: 356, 234: 454, 93: 323, 132: 361, 58: 288, 172: 397, 136: 365, 150: 379, 176: 400},
    **{70: 300, 63: 293, 105: 334, 66: 296, 107: 336, 98: 327, 97: 326},
    **{33: 263, 160: 387, 158: 385, 133: 362, 153: 380, 144: 373},
    **{61: 291, 39: 269, 37: 267, 91: 321, 84: 314, 78: 308, 82: 312, 87: 317},
}


def name_of(conversion):
    return f"{conversion.source.name}-{conversion.target.name}"


@pytest.mark.parametrize("step", CONVERSIONS, ids=name_of)
def test_they_move_turn_and_grow_with_the_face(step):
    points = RNG.normal(size=(step.source.n_landmarks, 2))
    turn = np.array([[0.0, 2.0], [-2.0, 0.0]])
    moved = convert_points(points @ turn + [3, 4], step.source, step.target)
    still = convert_points(points, step.source, step.target)
    np.testing.assert_allclose(moved, still @ turn + [3, 4], atol=1e-12)


@pytest.mark.parametrize(
    "step", [step for step in CONVERSIONS if step.source.mirror is not None], ids=name_of
)
def test_a_flip_before_is_a_flip_after(step):
    points = RNG.normal(size=(step.source.n_landmarks, 2))
    before = convert_points(points[step.source.mirror] * [-1, 1], step.source, step.target)
    after = convert_points(points, step.source, step.target)[step.target.mirror] * [-1, 1]
    np.testing.assert_allclose(before, after, atol=1e-12)


def test_the_mesh_is_taken_the_same_on_both_sides():
    mirror = np.arange(468)
    for one, other in MESH_PAIRS.items():
        mirror[one], mirror[other] = other, one
    points = RNG.normal(size=(468, 2))
    before = convert_points(points[mirror], MEDIAPIPE468, FACE68)
    after = convert_points(points, MEDIAPIPE468, FACE68)[FACE68.mirror]
    np.testing.assert_allclose(before, after, atol=1e-12)


def test_68_of_98_is_the_common_selection():
    places = convert_points(np.repeat(np.arange(98.0)[:, None], 2, axis=1), WFLW98, FACE68)[:, 0]
    assert places[:17].tolist() == list(range(0, 33, 2))
    assert places[17:27].tolist() == [33, 34, 35, 36, 37, 42, 43, 44, 45, 46]
    assert places[27:36].tolist() == list(range(51, 60))
    assert places[36:48].tolist() == [60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75]
    assert places[48:].tolist() == list(range(76, 96))


def test_98_of_68_and_back_changes_nothing():
    points = RNG.normal(size=(3, 68, 2))
    there = convert_points(points, FACE68, WFLW98)
    np.testing.assert_allclose(convert_points(there, WFLW98, FACE68), points, atol=1e-12)


def test_points_between_lie_on_the_curve():
    # A jaw on a parabola: a cubic, and a parabola at the ends, finds its middles exactly.
    place = np.arange(17.0)
    face = np.zeros((68, 2))
    face[:17] = np.stack([place, (place - 8) ** 2], axis=1)
    jaw = convert_points(face, FACE68, WFLW98)[:33]
    np.testing.assert_allclose(jaw[:, 0], np.arange(33) / 2, atol=1e-12)
    np.testing.assert_allclose(jaw[:, 1], (np.arange(33) / 2 - 8) ** 2, atol=1e-12)


def test_98_points_of_a_face_lie_where_they_should():
    face = convert_points(template_shape(), FACE68, WFLW98)
    y = face[:, 1]
    assert (y[[34, 35, 36, 37]] < y[[41, 40, 39, 38]]).all(), "a brow's upper edge lies above"
    assert (y[[41, 40, 39, 38]] < y[[61, 62, 63, 64]]).all(), "and its lower one above the eye"
    assert (y[[61, 62, 63]] < y[[67, 66, 65]]).all(), "likewise the lids"
    np.testing.assert_allclose(face[96], face[[60, 64]].mean(axis=0), atol=1e-6)


def test_five_points():
    face = template_shape()
    five = convert_points(face, FACE68, FACE5)
    np.testing.assert_allclose(five[0], face[36:42].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(five[2:], face[[30, 48, 54]], atol=1e-6)
    inner = convert_points(face[17:], FACE51, FACE5)
    np.testing.assert_allclose(inner, five, atol=1e-12)
    from_98 = convert_points(convert_points(face, FACE68, WFLW98), WFLW98, FACE5)
    np.testing.assert_allclose(from_98, five, atol=1e-12)


def test_the_29_bear_the_right_names():
    face = convert_points(convert_points(template_shape(), FACE68, WFLW98), WFLW98, COFW29)
    x, y = face.T
    assert x[0] < x[4] < x[2] < 0 < x[3] < x[6] < x[1], "brows, from outside to inside and back"
    assert y[4] < y[5]
    assert y[6] < y[7]
    assert x[8] < x[16] < x[10] < 0, "left eye"
    assert y[12] < y[16] < y[13]
    assert y[20] < y[21] < y[24] < y[25] < y[26] < y[27] < y[28], "down the middle line"


def test_ways_through_other_schemes():
    way = conversion_path(WFLW98, FACE51)
    assert [name_of(step) for step in way] == ["wflw98-face68", "face68-face51"]
    assert conversion_path(FACE68, FACE68) == ()
    np.testing.assert_array_equal(conversion_matrix(FACE68, FACE68), np.eye(68))


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (FACE5, FACE68, r"from scheme face5 \(5 points\) to face68 \(68\); .*: none"),
        (FACE68, MEDIAPIPE468, "to these one does: face51, face5, wflw98, cofw29"),
        (LandmarkScheme.plain(68), FACE51, "from scheme points68"),
        (FACE68, replace(FACE51, edges=()), "to face51"),
    ],
)
def test_where_no_way_leads(source, target, message):
    with pytest.raises(ConfigError, match=message):
        convert_points(np.zeros((source.n_landmarks, 2)), source, target)


def test_unknown_points_make_unknown_what_needs_them_only():
    face = template_shape().astype(float)
    face[37] = np.nan
    five = convert_points(face, FACE68, FACE5)
    assert np.isnan(five[0]).all()
    assert np.isfinite(five[1:]).all()
    assert np.isnan(convert_points(face[None], FACE68, WFLW98)).all(axis=2).sum() == 5


def test_empty_input_and_other_shapes():
    assert convert_points(np.zeros((0, 68, 2)), FACE68, WFLW98).shape == (0, 98, 2)
    with pytest.raises(ShapeError, match=r"expected shape \(68, 2\), got \(98, 2\)"):
        convert_points(np.zeros((98, 2)), FACE68, FACE5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": CONVERSIONS[1].rows[:-1]}, "face68 to face51: expected 51 rows, got 50"),
        ({"rows": (*CONVERSIONS[1].rows[:-1], ((99, 1.0),))}, "row 50"),
        ({"rows": (*CONVERSIONS[1].rows[:-1], ((9, 0.5),))}, "weights that sum to 1"),
        ({"quality": {}}, "quality of each group"),
    ],
)
def test_inconsistent_conversions_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(CONVERSIONS[1], **changes)
