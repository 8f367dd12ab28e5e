"""Errors beside the ellipses of their stated covariances."""

import math

import numpy as np
import pytest
from helpers import turned_covariance

from dan.core.errors import ConfigError, DegenerateShapeError, ShapeError
from dan.evaluation.metrics import ellipse_coverage

NAN = np.nan


def test_coverage_by_hand():
    # Within 50 %: Mahalanobis distance up to sqrt(6 (2^(1/4) - 1)) = 1.07; within 1 - 0.6^4: 2.
    shares = [0.5, 1 - 0.6**4]
    errors = np.array([[[3.0, 0], [1.0, 0], [NAN, 0]], [[0, 3.0], [0, -2.1], [NAN, NAN]]])
    covariance = np.empty((2, 3, 2, 2))
    covariance[:, 0] = turned_covariance([3, 1], 0)  # distances 1 and 3
    covariance[:, 1] = np.eye(2)  # 1.0 and 2.1
    covariance[:, 2] = NAN  # not asked for
    found = ellipse_coverage(errors, covariance, shares)
    assert found.expected.tolist() == shares
    np.testing.assert_array_equal(found.of_all, [0.5, 0.5])
    np.testing.assert_array_equal(found.of_points, [[0.5, 0.5, NAN]] * 2)


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
@pytest.mark.parametrize(("length", "is_inside"), [(0.999, 1), (1.001, 0)])
def test_the_ellipse_turns_with_the_covariance(angle, length, is_inside):
    deviations = np.array([5.0, 0.2])
    along = turned_covariance([1, 0], angle)[:, :1]  # first axis, up to its sign and length
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    edge = math.sqrt(6 * (0.32**-0.25 - 1)) * length
    errors = np.stack([(deviations[0] * edge * along)[:, 0], (deviations[1] * edge * across)[:, 0]])
    covariance = np.tile(turned_covariance(deviations, angle), (1, 2, 1, 1))
    assert ellipse_coverage(errors[None], covariance, [0.68]).of_all == [is_inside]


def test_student_errors_are_covered_as_stated():
    rng, covariance = np.random.default_rng(0), turned_covariance([3, 0.5], 20)
    normal = rng.multivariate_normal([0, 0], covariance, (20000, 1))
    errors = normal * np.sqrt(6 / rng.chisquare(8, (20000, 1, 1)))
    np.testing.assert_allclose(np.cov(errors[:, 0].T), covariance, rtol=0.05)
    found = ellipse_coverage(errors, np.broadcast_to(covariance, (20000, 1, 2, 2)))
    np.testing.assert_allclose(found.of_all, [0.5, 0.68, 0.95], atol=0.01)


def test_no_faces_have_no_coverage_and_infinite_errors_none_inside():
    empty = ellipse_coverage(np.empty((0, 2, 2)), np.empty((0, 2, 2, 2)), [0.5])
    np.testing.assert_array_equal(empty.of_all, [NAN])
    np.testing.assert_array_equal(empty.of_points, [[NAN, NAN]])
    assert ellipse_coverage(np.full((1, 1, 2), np.inf), np.eye(2)[None, None], [0.5]).of_all == [0]


def test_shapes_ranges_and_no_covariance():
    errors, covariance = np.ones((3, 2, 2)), np.tile(np.eye(2), (3, 2, 1, 1))
    with pytest.raises(ShapeError, match=r"covariance: expected shape \(3, 2, 2, 2\), got"):
        ellipse_coverage(errors, covariance[0])
    with pytest.raises(ConfigError, match="shares: expected numbers between 0 and 1"):
        ellipse_coverage(errors, covariance, [0.5, 1])
    covariance[2, 1] = 0
    with pytest.raises(DegenerateShapeError, match="expected symmetric positive definite"):
        ellipse_coverage(errors, covariance)
