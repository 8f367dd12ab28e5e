import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import DegenerateShapeError, ShapeError
from dan.geometry import Similarity, align_shape, box_centre, box_of_points, box_size_wh
from dan.geometry import mean_shape_of as mean_of

FACE = np.random.default_rng(3).normal(size=(10, 2)) * [40, 50] + [200, 100]


def moved(rng, points, max_angle):
    return Similarity.about(
        rng.normal(size=2) * 100,
        scale=float(rng.uniform(0.2, 5)),
        angle_deg=float(rng.uniform(-max_angle, max_angle)),
        move_to_xy=rng.normal(size=2) * 300,
    ).apply(points)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_aligning_a_moved_shape_gives_the_shape(seed):
    aligned = align_shape(moved(np.random.default_rng(seed), FACE, 180), FACE)
    np.testing.assert_allclose(aligned, FACE, atol=1e-6)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_mean_of_scaled_and_shifted_copies_is_the_shape(seed):
    rng = np.random.default_rng(seed)
    mean = mean_of(np.stack([moved(rng, FACE, 0) for _ in range(5)]))
    unit = (FACE - box_centre(box_of_points(FACE))) / np.ptp(FACE, axis=0).max()
    np.testing.assert_allclose(mean, unit, atol=1e-5)


def test_mean_is_centred_with_side_one_and_float32():
    rng = np.random.default_rng(1)
    shapes = np.stack([moved(rng, FACE + rng.normal(size=FACE.shape), 20) for _ in range(8)])
    before = shapes.copy()
    mean = mean_of(shapes)
    box = box_of_points(mean)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(box_centre(box), 0, atol=1e-6)
    assert box_size_wh(box).max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(shapes, before)


def test_turning_one_of_the_shapes_does_not_change_the_mean():
    rng = np.random.default_rng(4)
    shapes = FACE + rng.normal(size=(4, *FACE.shape)) * 10
    turned = shapes.copy()
    turned[0] = Similarity.about((0, 0), scale=2, angle_deg=60).apply(shapes[0])
    mean, mean_of_turned = (mean_of(each).astype(np.float64) for each in (shapes, turned))
    np.testing.assert_allclose(align_shape(mean_of_turned, mean), mean, atol=1e-4)


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        pytest.param(np.zeros((0, 5, 2)), ShapeError, id="no shapes"),
        pytest.param(np.zeros((5, 2)), ShapeError, id="one shape, not a stack"),
        pytest.param(np.zeros((3, 5, 2)), DegenerateShapeError, id="all points equal"),
        pytest.param(np.full((3, 5, 2), np.nan), DegenerateShapeError, id="NaN"),
    ],
)
def test_mean_refuses(shapes, error):
    with pytest.raises(error, match="expected"):
        mean_of(shapes)


def without(shape, *places):
    lacking = shape.copy()
    lacking[list(places)] = np.nan
    return lacking


def test_a_shape_that_lacks_points_is_aligned_by_the_others():
    turned = without(moved(np.random.default_rng(0), FACE, 180), 0, 7)
    aligned = align_shape(turned, FACE)
    np.testing.assert_allclose(aligned, without(FACE, 0, 7), atol=1e-6)


def test_mean_of_copies_that_lack_other_points_each_is_the_shape():
    rng = np.random.default_rng(5)
    shapes = np.stack([without(moved(rng, FACE, 0), place, place + 1) for place in range(9)])
    mean = mean_of(shapes).astype(np.float64)
    np.testing.assert_allclose(align_shape(mean, FACE), FACE, atol=1e-4)


def test_mean_refuses_a_point_that_no_shape_has():
    with pytest.raises(DegenerateShapeError, match="got point 4 in none"):
        mean_of(np.stack([without(FACE, 4), without(FACE, 4, 5)]))
