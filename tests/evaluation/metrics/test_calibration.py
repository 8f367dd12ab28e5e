"""Ranking and calibration of confidences, on answers known by hand."""

import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.evaluation.metrics import Reliability, roc_auc


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # three of four pairs in order
        ([0.3, 0.3, 0.6], [0, 1, 1], 0.75),  # one tie
    ],
)
def test_roc_auc_is_the_chance_that_a_positive_ranks_higher(scores, positive, expected):
    assert roc_auc(np.array(scores), np.array(positive, bool)) == pytest.approx(expected)


@pytest.mark.parametrize("positive", [[1, 1], [0, 0]])
def test_roc_auc_needs_both_kinds(positive):
    with pytest.raises(ShapeError, match="both kinds"):
        roc_auc(np.array([0.1, 0.2]), np.array(positive, bool))


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
