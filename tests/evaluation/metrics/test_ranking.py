"""Ranking of confidences and stated errors, on answers known by hand."""

import numpy as np
import pytest

from dan.core.errors import ConfigError, ShapeError
from dan.evaluation.metrics import errors_over_dropped, rank_correlation, roc_auc

NAN = np.nan


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


@pytest.mark.parametrize(
    ("stated", "true", "expected"),
    [
        pytest.param([1, 2, 3], [10, 20, 1000], 1, id="the same order"),
        pytest.param([1, 2, 3], [9, 5, -1], -1, id="the opposite"),
        pytest.param([1, 2, 3, 4], [2, 1, 4, 3], 0.6, id="1 - 6 (1 + 1 + 1 + 1) / (4 (16 - 1))"),
        pytest.param([1, 1, 2], [1, 2, 3], np.sqrt(0.75), id="ranks 1.5, 1.5, 3 beside 1, 2, 3"),
        pytest.param([1, 5, NAN, 2, 3], [1, NAN, 4, 2, 3], 1, id="NaN in either"),
        pytest.param([[1, 2], [3, 4]], [[1, 2], [3, np.inf]], 1, id="of any shape"),
        pytest.param([1, 1], [1, 2], NAN, id="all stated alike"),
        pytest.param([1, NAN], [1, 2], NAN, id="one pair"),
        pytest.param([], [], NAN, id="none"),
    ],
)
def test_rank_correlation(stated, true, expected):
    found = rank_correlation(np.array(stated, float), np.array(true, float))
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("stated", "by_stated"),
    [
        pytest.param([[1, 2], [3, 4]], [4, 10 / 3, 3, 1], id="4 dropped before 5"),
        pytest.param([[4, 3], [2, 1]], [4, 5, 5, 6], id="the largest error never dropped"),
        pytest.param([[1, 1], [1, 1]], [4, 4, 4, 4], id="no order: the mean"),
        pytest.param([[1, 2], [2, 2]], [4, (1 + 2 * 5) / 3, 3, 1], id="ties: their mean, 5"),
    ],
)
def test_what_remains_when_the_doubtful_are_dropped(stated, by_stated):
    errors = np.array([[1.0, 5.0], [4.0, 6.0]])
    found, ideal = errors_over_dropped(errors, np.array(stated, float), [0, 0.25, 0.5, 0.99])
    np.testing.assert_allclose(found, by_stated)
    np.testing.assert_allclose(ideal, [4, 10 / 3, 2.5, 1])


def test_dropping_counts_known_points_only():
    errors = np.array([[1.0, NAN, 3.0, 100.0]])
    stated = np.array([[1.0, 0.5, 2.0, NAN]])
    found, ideal = errors_over_dropped(errors, stated, [0, 0.5])
    assert found.tolist() == ideal.tolist() == [2, 1]
    for curve in errors_over_dropped(errors * NAN, stated, [0, 0.5]):
        np.testing.assert_array_equal(curve, [NAN, NAN])


@pytest.mark.parametrize("share", [-0.1, 1, NAN])
def test_some_points_must_remain(share):
    with pytest.raises(ConfigError, match=r"shares: expected numbers from 0 to below 1, got \["):
        errors_over_dropped(np.ones((1, 2)), np.ones((1, 2)), [0.5, share])


def test_each_error_needs_what_was_stated_of_it():
    with pytest.raises(ShapeError, match=r"stated: expected shape \(2, 3\), got \(3,\)"):
        rank_correlation(np.ones(3), np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"stated: expected shape \(2, 3\), got \(3,\)"):
        errors_over_dropped(np.ones((2, 3)), np.ones(3), [0])
