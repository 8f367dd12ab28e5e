import numpy as np
import pytest

from dan.core.checks import as_array, as_box, as_floats, as_points, check_shape
from dan.core.errors import DanError, ShapeError


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((68, 2), (68, 2)),
        ((68, 2), ("N", 2)),
        ((0, 2), ("N", 2)),
        ((5, 5), ("N", "N")),
        ((3, 5), ("F", "N")),
        ((), ()),
    ],
)
def test_fitting_shape_passes(shape, expected):
    check_shape("thing", np.zeros(shape), expected)


@pytest.mark.parametrize(
    ("shape", "expected", "message"),
    [
        pytest.param(
            (68, 3), ("N", 2), r"thing: expected shape \(N, 2\), got \(68, 3\)", id="axis"
        ),
        pytest.param((68,), ("N", 2), r"got \(68,\)", id="too few axes"),
        pytest.param((1, 68, 2), ("N", 2), r"got \(1, 68, 2\)", id="too many axes"),
        pytest.param((), ("N",), r"got \(\)", id="scalar"),
        pytest.param((3, 4), ("N", "N"), r"expected shape \(N, N\)", id="one letter, two lengths"),
    ],
)
def test_other_shape_is_refused_with_both_shapes(shape, expected, message):
    with pytest.raises(ShapeError, match=message) as caught:
        check_shape("thing", np.zeros(shape), expected)
    assert isinstance(caught.value, DanError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.int64, np.float32),
        (np.uint8, np.float32),
        (bool, np.float32),
    ],
)
def test_points_become_floating(given, becomes):
    points = as_points("points", np.ones((3, 2), dtype=given))
    assert points.dtype == becomes
    assert points.shape == (3, 2)


def test_floating_points_are_not_copied():
    points = np.ones((3, 2))
    assert as_points("points", points) is points


ODD = {
    "ragged": ([[1, 2], [3]], "expected an array of numbers"),
    "words": ([["a", "b"]], "expected an array of numbers"),
    "complex": (np.ones((2, 2)) + 1j, "expected an array of numbers, got complex128"),
    "complex list": ([[1j, 2]], "expected an array of numbers"),
    "dates": (np.zeros((2, 2), "M8[s]"), "expected an array of numbers, got datetime64"),
    "masked": (np.ma.masked_equal([[1.0, 2.0], [3.0, 2.0]], 2), "expected .* with 2 masked"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("take", [as_points, as_floats, as_box])
def test_what_is_no_array_of_numbers_is_refused_in_our_words(case, take):
    values, message = ODD[case]
    with pytest.raises(ShapeError, match=f"thing: {message}"):
        take("thing", values)


def test_a_matrix_becomes_an_array():
    matrix = np.ones((3, 2)).view(np.matrix)
    for take in (as_array, as_floats, as_points):
        assert type(take("thing", matrix)) is np.ndarray
    assert as_array("thing", np.ma.masked_equal([1, 2], 7)).tolist() == [1, 2]


def test_points_of_another_number_are_refused():
    with pytest.raises(ShapeError, match=r"truth: expected shape \(5, 2\), got \(3, 2\)"):
        as_points("truth", np.ones((3, 2)), 5)


def test_box_becomes_float64():
    box = as_box("box", [1, 2, 3, 5])
    assert box.dtype == np.float64
    assert box.tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        pytest.param([3, 0, 3, 5], "x0 < x1", id="no width"),
        pytest.param([0, 5, 3, 5], "y0 < y1", id="no height"),
        pytest.param([3, 0, 1, 5], "x0 < x1", id="sides exchanged"),
        pytest.param([0, 0, np.nan, 5], "nan", id="NaN"),
        pytest.param([0, 0, np.inf, 5], "inf", id="infinite"),
        pytest.param([0, 0, 1], r"\(4\), got \(3,\)", id="three numbers"),
        pytest.param([[0, 0, 1, 1]], r"\(4\), got \(1, 4\)", id="a list of boxes"),
    ],
)
def test_no_box_is_refused(box, message):
    with pytest.raises(ShapeError, match=message):
        as_box("box", box)
