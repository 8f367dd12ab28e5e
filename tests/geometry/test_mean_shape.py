import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError, DegenerateShapeError, ShapeError
from dan.geometry import box_centre, box_of_points, box_size_wh
from dan.geometry.mean_shape import box_from_shape, shape_in_frame

TALL = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 5.0], [1.0, 2.0]]) * 7 + [100, -20]


@pytest.mark.parametrize("shape", [TALL, TALL[:, ::-1]], ids=["tall", "wide"])
@pytest.mark.parametrize(("crop_size", "face_size"), [(112, 56), (112, 84), (64, 64), (33, 10.5)])
def test_larger_side_fits_and_the_centre_is_the_crops(shape, crop_size, face_size):
    placed = shape_in_frame(shape, crop_size, face_size)
    box = box_of_points(placed)
    assert placed.dtype == np.float32
    np.testing.assert_allclose(box_centre(box), (crop_size - 1) / 2, atol=1e-4)
    assert box_size_wh(box).max() == pytest.approx(face_size, abs=1e-4)
    ratio = box_size_wh(box) / box_size_wh(box_of_points(shape))
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-5)  # not stretched


def test_placing_again_changes_nothing_and_the_input_stays():
    before = TALL.copy()
    placed = shape_in_frame(TALL, 112, 56)
    np.testing.assert_allclose(shape_in_frame(placed, 112, 56), placed, atol=1e-4)
    np.testing.assert_array_equal(TALL, before)


@pytest.mark.parametrize("face_size", [0, -5, 112.5, float("nan")])
def test_face_size_out_of_range_is_refused(face_size):
    with pytest.raises(ConfigError, match="0 < size <= 112"):
        shape_in_frame(TALL, 112, face_size)


def test_a_shape_without_area_is_refused():
    with pytest.raises(DegenerateShapeError, match="area"):
        shape_in_frame(np.ones((5, 2)), 112, 56)


@settings(deadline=None, max_examples=30)
@given(centre=st.tuples(st.floats(-500, 500), st.floats(-500, 500)), size=st.floats(1, 2000))
def test_a_box_of_the_same_form_is_filled(centre, size):
    half = size * np.array([3.0, 5.0]) / 2
    box = np.concatenate([np.array(centre) - half, np.array(centre) + half])
    fitted = box_of_points(box_from_shape(TALL, box).apply(TALL))
    np.testing.assert_allclose(fitted, box, atol=1e-6 * size + 1e-6)


def test_in_a_box_of_another_form_the_scale_is_the_mean_of_both():
    shape = np.array([[0.0, 0.0], [10.0, 20.0]])
    transform = box_from_shape(shape, [100, 100, 120, 180])  # ratios 2 and 4
    assert transform.scale == pytest.approx(3)
    assert transform.angle_deg == 0
    np.testing.assert_allclose(transform.apply(np.array([[5.0, 10.0]])), [[110, 140]])


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [0, 0, 1], [9, 0, 1, 1]])
def test_an_impossible_box_is_refused(box):
    with pytest.raises(ShapeError, match="box"):
        box_from_shape(TALL, box)
