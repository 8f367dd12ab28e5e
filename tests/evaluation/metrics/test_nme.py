import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError, DegenerateShapeError, ShapeError
from dan.evaluation.metrics import (
    NORMALISERS,
    common_normalisers,
    normalised_errors,
    normaliser_lengths,
    usable_normalisers,
)
from dan.geometry import Similarity
from dan.schemes import FACE5, FACE68, Eyes, LandmarkScheme

FIVE = LandmarkScheme(
    name="five",
    point_names=("a", "b", "c", "d", "e"),
    eyes=Eyes(left=(0, 1), right=(2, 3), outer_corners=(0, 3)),
)
# Left eye (0, 0) and (2, 0), right eye (6, 8) and (8, 8), chin (4, 15).
FACE = np.array([[[0, 0], [2, 0], [6, 8], [8, 8], [4, 15]]], dtype=np.float64)
BY_HAND = {
    "inter_ocular": np.hypot(8, 8),  # from (0, 0) to (8, 8)
    "inter_pupil": 10.0,  # from (1, 0) to (7, 8)
    "diagonal": 17.0,  # a box of 8 by 15
    "box_size": np.sqrt(8 * 15),
}


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_lengths_by_hand(normaliser):
    lengths = normaliser_lengths(FACE, FIVE, normaliser)
    np.testing.assert_allclose(lengths, [BY_HAND[normaliser]])


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_error_is_the_mean_distance_over_the_length(normaliser):
    offsets = np.array([[3, 4], [0, 0], [0, 0], [0, 10], [0, 0]])  # distances 5, 0, 0, 10, 0
    errors = normalised_errors(FACE + offsets, FACE, FIVE, normaliser)
    np.testing.assert_allclose(errors, [3 / BY_HAND[normaliser]])


def test_face68_takes_the_outer_corners_and_the_means_of_six():
    truth = np.zeros((1, 68, 2))
    truth[0, 36:42] = [[0, 0], [1, 1], [2, 1], [6, 0], [2, -1], [1, -1]]
    truth[0, 42:48] = truth[0, 36:42] * [-1, 1] + [20, 0]
    truth[0, [42, 45]] = truth[0, [45, 42]]
    assert normaliser_lengths(truth, FACE68, "inter_ocular")[0] == 20  # from x 0 to x 20
    assert normaliser_lengths(truth, FACE68, "inter_pupil")[0] == 16  # from x 2 to x 18


def test_a_missed_face_is_infinite_and_leaves_the_others():
    truth = np.concatenate([FACE, FACE])
    predicted = truth.copy()
    predicted[0] = np.nan
    predicted[1] += [0, 1.7]
    errors = normalised_errors(predicted, truth, FIVE, "diagonal")
    np.testing.assert_allclose(errors, [np.inf, 0.1])


@settings(deadline=None, max_examples=30)
@given(st.floats(0.1, 10), st.floats(-180, 180), st.integers(0, 1000))
def test_eye_errors_do_not_depend_on_size_and_turn(scale, angle, seed):
    predicted = FACE[0] + np.random.default_rng(seed).normal(size=(5, 2))
    move = Similarity.about((3, 3), scale=scale, angle_deg=angle, move_to_xy=(50, 60)).apply
    for normaliser in ("inter_ocular", "inter_pupil"):
        before = normalised_errors(predicted[None], FACE, FIVE, normaliser)
        after = normalised_errors(move(predicted)[None], move(FACE[0])[None], FIVE, normaliser)
        np.testing.assert_allclose(after, before)


def test_no_faces_have_no_errors():
    empty = np.empty((0, 5, 2))
    assert normalised_errors(empty, empty, FIVE, "inter_pupil").shape == (0,)


def changed(index, value):
    face = FACE.copy()
    face[index] = value
    return face


@pytest.mark.parametrize(
    ("predicted", "truth", "scheme", "normaliser", "error", "message"),
    [
        pytest.param(
            FACE, FACE, FIVE, "eyes", ConfigError, "inter_ocular, inter_pupil, diagonal", id="word"
        ),
        pytest.param(
            FACE,
            FACE,
            LandmarkScheme.plain(5),
            "inter_ocular",
            ConfigError,
            "points5; use the diagonal",
            id="scheme without eyes",
        ),
        pytest.param(
            FACE, FACE, FACE68, "diagonal", ShapeError, r"truth.*68.*got \(1, 5, 2\)", id="scheme"
        ),
        pytest.param(
            FACE[0], FACE[0], FIVE, "diagonal", ShapeError, r"got \(5, 2\)", id="one face unstacked"
        ),
        pytest.param(
            np.concatenate([FACE, FACE]),
            FACE,
            FIVE,
            "diagonal",
            ShapeError,
            "predicted",
            id="count",
        ),
        pytest.param(
            FACE,
            changed((0, 3), 0.0),
            FIVE,
            "inter_ocular",
            DegenerateShapeError,
            "inter_ocular length, got 0.* in face 0",
            id="corners coincide",
        ),
        pytest.param(
            np.concatenate([FACE, FACE]),
            np.concatenate([FACE, changed((0, 3), np.nan)]),
            FIVE,
            "inter_ocular",
            DegenerateShapeError,
            "all that inter_ocular needs.*face 1",
            id="a face without an outer corner",
        ),
    ],
)
def test_refusals(predicted, truth, scheme, normaliser, error, message):
    with pytest.raises(error, match=message):
        normalised_errors(predicted, truth, scheme, normaliser)


def test_the_diagonal_needs_no_eyes():
    lower = FACE + np.array([0, 1.7])
    errors = normalised_errors(lower, FACE, LandmarkScheme.plain(5), "diagonal")
    np.testing.assert_allclose(errors, [0.1])


def test_normalisers_that_a_scheme_allows():
    assert usable_normalisers(FACE68) == ["inter_ocular", "inter_pupil", "diagonal", "box_size"]
    assert usable_normalisers(FACE5) == ["inter_pupil", "diagonal", "box_size"]
    assert usable_normalisers(LandmarkScheme.plain(7)) == ["diagonal", "box_size"]
    with pytest.raises(ConfigError, match="outer eye corners, got face5; use inter_pupil"):
        normaliser_lengths(FACE, FACE5, "inter_ocular")


def test_points_without_a_position_do_not_count():
    truth = np.concatenate([FACE, FACE, FACE])
    predicted = truth + np.array([3, 4])
    truth[0, [1, 4]] = np.nan
    truth[1, 4] = np.nan
    predicted[1, 0] = np.nan  # missed where there is a truth
    errors = normalised_errors(predicted, truth, FIVE, "inter_ocular")
    np.testing.assert_allclose(errors, [5 / np.hypot(8, 8), np.inf, 5 / np.hypot(8, 8)])
    by_box = normalised_errors(predicted, truth, FIVE, "diagonal")
    np.testing.assert_allclose(by_box, [5 / np.hypot(8, 8), np.inf, 5 / 17])


@pytest.mark.parametrize(
    ("missing", "normaliser"),
    [
        pytest.param([4], "inter_ocular", id="chin"),
        pytest.param([1], "inter_ocular", id="inner corner"),
        pytest.param([0], "diagonal", id="outer corner"),
    ],
)
def test_the_normaliser_that_all_faces_have_the_points_of(missing, normaliser):
    truth = np.concatenate([FACE, FACE])
    truth[1, missing] = np.nan
    assert common_normalisers(truth, FIVE)[0] == normaliser
    assert np.isfinite(normaliser_lengths(truth, FIVE, normaliser)).all()


def test_a_scheme_without_outer_corners_and_a_face_without_an_eye():
    face = np.random.default_rng(0).normal(size=(2, 5, 2))
    assert common_normalisers(face, FACE5)[0] == "inter_pupil"
    face[0, 0] = np.nan
    assert common_normalisers(face, FACE5)[0] == "diagonal"
