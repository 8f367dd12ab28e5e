import numpy as np
import pytest

from dan.core.errors import DegenerateShapeError, ShapeError
from dan.geometry import box_centre, box_of_points, box_size_wh, with_position


def test_tight_box_reaches_from_pixel_centre_to_pixel_centre():
    box = box_of_points(np.array([[3, 9], [1, 4], [2, 5]]))
    assert box.tolist() == [1, 4, 3, 9]
    assert box.dtype == np.float64


def test_measures_of_a_box():
    box = [1, 4, 4, 8]
    assert box_centre(box).tolist() == [2.5, 6]
    assert box_size_wh(box).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(np.empty((0, 2)), "finite", id="no points"),
        pytest.param([[1.0, 2.0]], "area", id="one point"),
        pytest.param([[1.0, 2.0], [5.0, 2.0]], "area", id="a level line"),
        pytest.param([[1.0, 2.0], [1.0, 5.0]], "area", id="an upright line"),
        pytest.param([[1.0, 2.0], [np.nan, 5.0]], "finite", id="NaN"),
        pytest.param([[1.0, 2.0], [np.inf, 5.0]], "finite", id="infinite"),
    ],
)
def test_points_without_area_have_no_box(points, message):
    with pytest.raises(DegenerateShapeError, match=message):
        box_of_points(np.array(points))


def test_points_in_space_have_no_box():
    with pytest.raises(ShapeError, match=r"\(N, 2\)"):
        box_of_points(np.zeros((4, 3)))


def test_points_with_a_position():
    points = np.array([[1, 2], [np.nan, np.nan], [3, 4]])
    assert with_position(points).tolist() == [[1, 2], [3, 4]]
    assert with_position(points[1:2]).shape == (0, 2)
