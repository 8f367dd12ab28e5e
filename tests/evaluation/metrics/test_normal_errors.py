"""Errors beside their stated normal distributions, on answers known in closed form."""

import math

import numpy as np
import pytest

from dan.core.errors import ConfigError, DegenerateShapeError, ShapeError
from dan.evaluation.metrics import ellipse_coverage, within_probability

NAN = np.nan


def turned(deviations, angle_deg):
    """(2, 2) covariance of an ellipse whose first axis lies at that angle."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    axes = np.array([[cos, -sin], [sin, cos]])
    return axes @ np.diag(np.square(deviations)) @ axes.T


def test_coverage_by_hand():
    # Within 50 %: Mahalanobis distance up to sqrt(2 ln 2) = 1.177; within 1 - exp(-2): up to 2.
    shares = [0.5, 1 - math.exp(-2)]
    errors = np.array([[[3.0, 0], [1.1, 0], [NAN, 0]], [[0, 3.0], [0, -2.1], [NAN, NAN]]])
    covariance = np.empty((2, 3, 2, 2))
    covariance[:, 0] = turned([3, 1], 0)  # distances 1 and 3
    covariance[:, 1] = np.eye(2)  # 1.1 and 2.1
    covariance[:, 2] = NAN  # not asked for
    found = ellipse_coverage(errors, covariance, shares)
    assert found.expected.tolist() == shares
    np.testing.assert_array_equal(found.of_all, [0.5, 0.5])
    np.testing.assert_array_equal(found.of_points, [[0.5, 0.5, NAN]] * 2)


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
@pytest.mark.parametrize(("length", "is_inside"), [(0.999, 1), (1.001, 0)])
def test_the_ellipse_turns_with_the_covariance(angle, length, is_inside):
    deviations = np.array([5.0, 0.2])
    along = turned([1, 0], angle)[:, :1]  # first axis, up to its sign and length
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    edge = math.sqrt(-2 * math.log(0.32)) * length
    errors = np.stack([(deviations[0] * edge * along)[:, 0], (deviations[1] * edge * across)[:, 0]])
    covariance = np.tile(turned(deviations, angle), (1, 2, 1, 1))
    assert ellipse_coverage(errors[None], covariance, [0.68]).of_all == [is_inside]


def test_normal_errors_are_covered_as_stated():
    rng, covariance = np.random.default_rng(0), turned([3, 0.5], 20)
    errors = rng.multivariate_normal([0, 0], covariance, (20000, 1))
    found = ellipse_coverage(errors, np.broadcast_to(covariance, (20000, 1, 2, 2)))
    np.testing.assert_allclose(found.of_all, [0.5, 0.68, 0.95], atol=0.01)


def test_no_faces_have_no_coverage_and_infinite_errors_none_inside():
    empty = ellipse_coverage(np.empty((0, 2, 2)), np.empty((0, 2, 2, 2)), [0.5])
    np.testing.assert_array_equal(empty.of_all, [NAN])
    np.testing.assert_array_equal(empty.of_points, [[NAN, NAN]])
    assert ellipse_coverage(np.full((1, 1, 2), np.inf), np.eye(2)[None, None], [0.5]).of_all == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param([[1, 0], [0, 0]], id="flat"),
        pytest.param([[1, 2], [2, 1]], id="indefinite"),
        pytest.param([[-1, 0], [0, -1]], id="negative"),
        pytest.param([[1, 0.5], [0.4, 1]], id="not symmetric"),
        pytest.param([[1, NAN], [NAN, 1]], id="NaN"),
        pytest.param([[np.inf, 0], [0, 1]], id="infinite"),
    ],
)
def test_no_covariance(wrong):
    covariance = np.array([np.eye(2), wrong])
    message = "covariance: expected symmetric positive definite matrices, got "
    with pytest.raises(DegenerateShapeError, match=message):
        within_probability(covariance, 1.0)
    with pytest.raises(DegenerateShapeError, match=message):
        ellipse_coverage(np.ones((1, 2, 2)), covariance[None])


def test_shapes_and_ranges():
    errors, covariance = np.ones((3, 2, 2)), np.tile(np.eye(2), (3, 2, 1, 1))
    with pytest.raises(ShapeError, match=r"covariance: expected shape \(3, 2, 2, 2\), got"):
        ellipse_coverage(errors, covariance[0])
    with pytest.raises(ConfigError, match="shares: expected numbers between 0 and 1"):
        ellipse_coverage(errors, covariance, [0.5, 1])
    with pytest.raises(ShapeError, match=r"covariance: expected shape .* got \(3, 2, 3\)"):
        within_probability(np.ones((3, 2, 3)), 1)
    with pytest.raises(ConfigError, match="radius: expected numbers of at least 0, got -1"):
        within_probability(covariance, -1)


@pytest.mark.parametrize("radius", [0, 1e-6, 0.3, 2, 15, np.inf])
def test_within_a_circle(radius):
    expected = -math.expm1(-(radius**2) / (2 * 1.5**2))
    assert within_probability(1.5**2 * np.eye(2), radius) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("radius", [0.1, 0.7, 2.5])
def test_within_a_line_nearly(radius):
    found = within_probability(turned([1, 1e-5], 50), radius)
    assert found == pytest.approx(math.erf(radius / math.sqrt(2)), abs=1e-4)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("radius", [0.02, 0.3, 1.0, 4.0])
def test_within_by_the_density_in_polar_coordinates(ratio, radius):
    a, b, theta = 1.3, 1.3 / ratio, np.arange(20000) * (2 * np.pi / 20000)
    g = np.cos(theta) ** 2 / a**2 + np.sin(theta) ** 2 / b**2
    expected = (-np.expm1(-(radius**2) * g / 2) / g).mean() / (a * b)
    assert within_probability(turned([a, b], 35), radius) == pytest.approx(expected, rel=1e-10)


def test_within_by_the_density_on_a_grid():
    side = (np.arange(1600) + 0.5) / 400 - 2
    x, y = np.meshgrid(side, side)
    density = np.exp(-(x**2 / 1.0 + y**2 / 0.25) / 2) / (2 * np.pi * 0.5)
    expected = density[np.hypot(x, y) < 1.1].sum() / 400**2
    assert within_probability(np.diag([1, 0.25]), 1.1) == pytest.approx(expected, abs=1e-4)


def test_covariances_and_radii_are_broadcast():
    covariance = np.array([[np.eye(2)], [4 * np.eye(2)]])  # (2, 1, 2, 2)
    found = within_probability(covariance, [1.0, 2.0, 4.0])
    assert found.shape == (2, 3)
    assert found[0, :2] == pytest.approx(found[1, 1:])
    assert within_probability(np.empty((0, 68, 2, 2)), 1.0).shape == (0, 68)
