import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dan.core.errors import DegenerateShapeError, ShapeError
from dan.geometry import Similarity, estimate_similarity

QUICK = settings(deadline=None, max_examples=60)

similarities = st.builds(
    Similarity.about,
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    scale=st.floats(0.05, 20),
    angle_deg=st.floats(-180, 180),
    move_to_xy=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
point_sets = st.integers(2, 12).flatmap(
    lambda n: arrays(np.float64, (n, 2), elements=st.floats(-1000, 1000, width=32))
)


def spread_out(points):
    """The same points, moved apart so that they define a transform."""
    return points + 50.0 * np.arange(len(points))[:, None] * [1.0, -0.5]


def assert_same(one, other, atol=1e-6):
    points = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    np.testing.assert_allclose(one.apply(points), other.apply(points), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("transform", "point", "goes_to"),
    [
        pytest.param(Similarity.identity(), (3, 4), (3, 4), id="identity"),
        pytest.param(Similarity(2, 0, 1, -1), (3, 4), (7, 7), id="scale and shift"),
        pytest.param(Similarity(0, 1, 0, 0), (1, 0), (0, 1), id="x turns towards y"),
        pytest.param(Similarity(0, 1, 0, 0), (0, 1), (-1, 0), id="y turns towards minus x"),
        pytest.param(
            Similarity.about((10, 10), scale=3), (11, 10), (13, 10), id="scale about a centre"
        ),
        pytest.param(
            Similarity.about((10, 10), angle_deg=90), (11, 10), (10, 11), id="turn about a centre"
        ),
        pytest.param(
            Similarity.about((10, 10), scale=2, move_to_xy=(0, 5)), (10, 11), (0, 7), id="and move"
        ),
    ],
)
def test_a_point_goes_where_the_formula_says(transform, point, goes_to):
    np.testing.assert_allclose(transform.apply(np.array([point])), [goes_to], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_apply_keeps_the_type_and_the_input(dtype):
    points = np.array([[1, 2], [3, 4]], dtype=dtype)
    moved = Similarity(2, 0, 1, 1).apply(points)
    assert moved.dtype == dtype
    assert points.tolist() == [[1, 2], [3, 4]]


def test_no_points_stay_no_points():
    assert Similarity(2, 1, 0, 0).apply(np.empty((0, 2))).shape == (0, 2)


@QUICK
@given(similarities, point_sets)
def test_inverse_undoes(transform, points):
    there = transform.apply(points)
    np.testing.assert_allclose(transform.inverse().apply(there), points, rtol=0, atol=1e-6)
    assert_same(transform @ transform.inverse(), Similarity.identity())


@QUICK
@given(similarities, similarities, point_sets)
def test_composition_is_one_after_the_other(a_from_b, b_from_c, points):
    in_turn = a_from_b.apply(b_from_c.apply(points))
    np.testing.assert_allclose((a_from_b @ b_from_c).apply(points), in_turn, rtol=1e-9, atol=1e-6)


@QUICK
@given(similarities, similarities, similarities)
def test_composition_is_associative(a, b, c):
    assert_same((a @ b) @ c, a @ (b @ c), atol=1e-4)


@QUICK
@given(similarities, similarities)
def test_scales_multiply_and_inverse_of_a_product_swaps(a, b):
    assert (a @ b).scale == pytest.approx(a.scale * b.scale)
    assert_same((a @ b).inverse(), b.inverse() @ a.inverse(), atol=1e-4)


@QUICK
@given(similarities)
def test_the_matrix_does_what_the_transform_does(transform):
    points = np.array([[0.0, 0.0], [3.0, -2.0]])
    by_hand = points @ transform.matrix[:, :2].T + transform.matrix[:, 2]
    np.testing.assert_allclose(by_hand, transform.apply(points), rtol=1e-12, atol=1e-9)
    assert transform.matrix.shape == (2, 3)
    determinant = np.linalg.det(transform.matrix[:, :2])
    assert determinant == pytest.approx(transform.scale**2)  # positive: no reflection


@pytest.mark.parametrize(("scale", "angle"), [(0.1, 0.0), (1.0, 90.0), (3.0, -135.0)])
def test_scale_and_angle_are_read_back(scale, angle):
    transform = Similarity.about((5, 6), scale=scale, angle_deg=angle)
    assert transform.scale == pytest.approx(scale)
    assert transform.angle_deg == pytest.approx(angle)


def test_scale_zero_has_no_inverse():
    with pytest.raises(DegenerateShapeError, match="positive scale"):
        Similarity(0, 0, 1, 1).inverse()


@QUICK
@given(similarities, point_sets)
def test_estimate_recovers_the_transform(transform, points):
    points = spread_out(points)
    if np.ptp(points, axis=0).max() < 1:
        points = points + np.arange(len(points))[:, None] * 100.0
    assert_same(estimate_similarity(points, transform.apply(points)), transform, atol=1e-3)


def test_estimate_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    src, dst = rng.normal(size=(2, 20, 2)) * 50
    best = estimate_similarity(src, dst)

    def cost(transform):
        return ((transform.apply(src) - dst) ** 2).sum()

    for step in np.eye(4) * 1e-3:
        for sign in (1, -1):
            nearby = Similarity(*(np.array([best.a, best.b, best.tx, best.ty]) + sign * step))
            assert cost(best) < cost(nearby)


def test_estimate_does_not_reflect():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    mirrored = square * [-1, 1]
    assert np.abs(estimate_similarity(square, mirrored).apply(square) - mirrored).max() > 0.4


@pytest.mark.parametrize(
    ("src", "dst", "error", "message"),
    [
        pytest.param(np.ones((4, 2)), np.eye(4, 2), DegenerateShapeError, "differ", id="all equal"),
        pytest.param(
            np.full((4, 2), 1e6), np.eye(4, 2), DegenerateShapeError, "differ", id="equal, far off"
        ),
        pytest.param([[1.0, 2.0]], [[1.0, 2.0]], ShapeError, "at least 2", id="one point"),
        pytest.param(np.eye(4, 2), np.eye(3, 2), ShapeError, r"\(4, 2\)", id="numbers differ"),
        pytest.param(np.eye(4, 3), np.eye(4, 3), ShapeError, r"\(N, 2\)", id="in space"),
        pytest.param(
            np.full((4, 2), np.nan), np.eye(4, 2), DegenerateShapeError, "finite", id="NaN source"
        ),
        pytest.param(
            np.eye(4, 2), np.full((4, 2), np.nan), DegenerateShapeError, "finite", id="NaN target"
        ),
    ],
)
def test_estimate_refuses(src, dst, error, message):
    with pytest.raises(error, match=message):
        estimate_similarity(np.asarray(src), np.asarray(dst))
