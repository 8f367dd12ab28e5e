"""How likely an error is to be short, on answers known in closed form."""

import math

import numpy as np
import pytest
from helpers import turned_covariance

from dan.core.errors import ConfigError, DegenerateShapeError, ShapeError
from dan.geometry import ellipse_radius, within_probability

NAN = np.nan


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


def test_shapes_and_ranges():
    with pytest.raises(ShapeError, match=r"covariance: expected shape .* got \(3, 2, 3\)"):
        within_probability(np.ones((3, 2, 3)), 1)
    with pytest.raises(ConfigError, match="radius: expected numbers of at least 0, got -1"):
        within_probability(np.eye(2), -1)


@pytest.mark.parametrize("radius", [0, 1e-6, 0.3, 2, 15, np.inf])
def test_within_a_circle(radius):
    expected = -math.expm1(-4 * math.log1p(radius**2 / 6 / 1.5**2))
    assert within_probability(1.5**2 * np.eye(2), radius) == pytest.approx(expected, rel=1e-14)


def test_radius_and_probability_agree():
    shares = [0.01, 0.5, 0.95, 0.999]
    assert within_probability(np.eye(2), ellipse_radius(shares)) == pytest.approx(shares, rel=1e-12)
    with pytest.raises(
        ConfigError, match=r"shares: expected numbers between 0 and 1, got \[0.5, 1"
    ):
        ellipse_radius([0.5, 1])


def density_of(squares):
    """Of a Student error with 8 degrees of freedom over its squared Mahalanobis distance."""
    return (1 + squares / 6) ** -5 * 4 / 6 / np.pi


@pytest.mark.parametrize("radius", [0.1, 0.7, 2.5])
def test_within_a_line_nearly(radius):
    # Along the line: Student's t with 8 degrees of freedom, of variance 1.
    x = (np.arange(200000) + 0.5) / 200000 * radius
    density = math.gamma(4.5) / math.gamma(4) / math.sqrt(6 * np.pi) * (1 + x**2 / 6) ** -4.5
    found = within_probability(turned_covariance([1, 1e-5], 50), radius)
    assert found == pytest.approx(2 * radius * density.mean(), abs=2e-3)


@pytest.mark.parametrize(("a", "b"), [(1, 0.5), (1, 1)])
def test_within_by_the_density_on_a_grid(a, b):
    side = (np.arange(1600) + 0.5) / 400 - 2
    x, y = np.meshgrid(side, side)
    density = density_of((x / a) ** 2 + (y / b) ** 2) / (a * b)
    expected = density[np.hypot(x, y) < 1.1].sum() / 400**2
    assert within_probability(np.diag([a**2, b**2]), 1.1) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ratio", [2.0, 5.0, 10.0])
@pytest.mark.parametrize("radius", [0.02, 0.3, 1.0, 4.0])
def test_within_by_many_more_nodes(ratio, radius, monkeypatch):
    covariance = turned_covariance([1.3, 1.3 / ratio], 35)
    found = within_probability(covariance, radius)
    monkeypatch.setattr("dan.geometry.point_errors.N_ANGLES", 20000)
    assert found == pytest.approx(within_probability(covariance, radius), rel=1e-10)


def test_covariances_and_radii_are_broadcast():
    covariance = np.array([[np.eye(2)], [4 * np.eye(2)]])  # (2, 1, 2, 2)
    found = within_probability(covariance, [1.0, 2.0, 4.0])
    assert found.shape == (2, 3)
    assert found[0, :2] == pytest.approx(found[1, 1:])
    assert within_probability(np.empty((0, 68, 2, 2)), 1.0).shape == (0, 68)
