"""Calibration of confidences, on answers known by hand."""

import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.evaluation.metrics import Reliability


def test_reliability_compares_what_was_said_with_what_came():
    sure = np.array([0.05, 0.15, 0.15, 1.0])
    found = Reliability.of(sure, np.array([False, False, True, True]))
    assert found.counts.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(found.predicted[[0, 1, 9]], [0.05, 0.15, 1.0])
    np.testing.assert_allclose(found.observed[[0, 1, 9]], [0.0, 0.5, 1.0])
    assert np.isnan(found.predicted[5])
    assert found.expected_error == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)


def test_confidences_lie_between_zero_and_one():
    with pytest.raises(ShapeError, match=r"0\.\.1"):
        Reliability.of(np.array([1.2]), np.array([True]))
