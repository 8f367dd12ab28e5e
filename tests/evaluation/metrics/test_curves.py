import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError, ShapeError
from dan.evaluation.metrics import area_under_ced, ced, failure_rate

ERRORS = np.array([0.08, 0.02, 0.04, np.inf])

error_lists = st.lists(st.floats(0, 0.2) | st.just(np.inf), min_size=1, max_size=30).map(np.array)


@pytest.mark.parametrize(
    ("threshold", "share"),
    [
        (0.0, 0.0),
        (0.019, 0.0),
        (0.02, 0.25),  # an error at the threshold is within it
        (0.05, 0.5),
        (0.08, 0.75),
        (1e9, 0.75),  # the missed face never comes in
    ],
)
def test_ced_and_failure_rate_by_hand(threshold, share):
    assert ced(ERRORS, [threshold]).tolist() == [share]
    assert failure_rate(ERRORS, threshold) == 1 - share


def test_area_by_hand():
    # Within 0.08 the four errors leave shares 0, 3/4, 1/2 and 0 of the threshold.
    assert area_under_ced(ERRORS, 0.08) == pytest.approx((0.75 + 0.5) / 4)


@pytest.mark.parametrize(
    ("errors", "area"),
    [([0.0, 0.0], 1.0), ([0.08, 0.5], 0.0), ([np.inf], 0.0), ([0.04], 0.5)],
)
def test_extremes_of_the_area(errors, area):
    assert area_under_ced(np.array(errors), 0.08) == pytest.approx(area)


@settings(deadline=None, max_examples=40)
@given(error_lists, st.floats(0.01, 0.3))
def test_area_is_the_integral_of_the_ced(errors, threshold):
    steps = 20_000
    middles = (np.arange(steps) + 0.5) * threshold / steps
    integral = ced(errors, middles).mean()
    assert area_under_ced(errors, threshold) == pytest.approx(integral, abs=2 / steps)


@settings(deadline=None, max_examples=40)
@given(error_lists, st.floats(0, 0.3))
def test_failures_are_the_rest_of_the_ced(errors, threshold):
    assert failure_rate(errors, threshold) == pytest.approx(1 - ced(errors, [threshold])[0])


def test_input_is_not_sorted_in_place():
    errors = np.array([0.3, 0.1, 0.2])
    assert ced(errors, [0.1, 0.2, 0.3]).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert errors.tolist() == [0.3, 0.1, 0.2]


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([], id="no faces"),
        pytest.param([0.1, np.nan], id="NaN"),
        pytest.param([[0.1, 0.2]], id="two axes"),
        pytest.param(0.1, id="a number"),
    ],
)
@pytest.mark.parametrize("measure", [lambda e: ced(e, [0.1]), lambda e: area_under_ced(e, 0.1)])
def test_no_list_of_errors_is_refused(measure, errors):
    with pytest.raises(ShapeError, match="errors: expected"):
        measure(np.array(errors))


@pytest.mark.parametrize("threshold", [0.0, -0.08, float("nan")])
def test_area_up_to_nothing_is_refused(threshold):
    with pytest.raises(ConfigError, match="threshold: expected a positive number"):
        area_under_ced(ERRORS, threshold)
