"""Flip partners from annotations alone: drawn faces, real ones, and too little evidence."""

import numpy as np
import pytest

from dan.core.errors import DataError, ShapeError
from dan.datasets.formats import load_pts
from dan.datasets.synthetic import template_shape
from dan.schemes import COFW29, FACE5, FACE68, WFLW98, convert_points, fit_mirror


def turned_faces(count, turn=0.0, spread=0.2, seed=0, noise=0.004):
    """(F, 68, 2) faces turned about the upright axis: what is nearer to the viewer moves more."""
    rng = np.random.default_rng(seed)
    shape = template_shape().astype(np.float64)
    nearness = 0.4 - shape[:, 0] ** 2 - 0.3 * shape[:, 1] ** 2
    faces = np.repeat(shape[None], count, axis=0)
    amount = turn + spread * rng.normal(size=(count, 1))
    faces[..., 0] = faces[..., 0] * (1 - 0.5 * amount**2) + amount * nearness
    faces[:, 48:, 1] *= rng.uniform(0.95, 1.1, (count, 1))
    angle = rng.normal(0, 0.3, count)
    turns = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    faces = faces @ turns.reshape(-1, 2, 2) * rng.uniform(50, 200, (count, 1, 1))
    return faces + noise * 100 * rng.normal(size=faces.shape) + rng.uniform(0, 300, (count, 1, 2))


def shuffled(faces, scheme):
    """The faces with their points in another order, and the mirror in that order."""
    order = np.random.default_rng(5).permutation(scheme.n_landmarks)
    return faces[:, order], np.argsort(order)[scheme.mirror[order]]


@pytest.fixture(scope="session")
def real_faces(shared_300w):
    return np.array([load_pts(path) for path in sorted((shared_300w / "afw").glob("*.pts"))])


@pytest.mark.parametrize("turn", [0.0, 0.15], ids=["to both sides", "more to one side"])
def test_drawn_faces(turn):
    faces, mirror = shuffled(turned_faces(40, turn), FACE68)
    fit = fit_mirror(faces)
    assert fit.mirror.tolist() == mirror.tolist()
    assert not fit.is_weak
    assert fit.n_faces == 40


def test_the_fit_describes_itself():
    fit = fit_mirror(turned_faces(40, noise=0.0))
    assert fit.mirror.tolist() == FACE68.mirror.tolist()
    assert not fit.doubtful.any()
    assert (fit.support == 1).all()
    assert np.ptp(fit.shape, axis=0).max() == pytest.approx(1)
    reflected = fit.shape[fit.mirror] * [-1, 1]
    np.testing.assert_allclose(
        np.linalg.norm(fit.shape - reflected, axis=1), fit.residuals, atol=1e-3
    )
    assert fit.shape[8, 1] > fit.shape[27, 1], "upright: the chin below the nose"
    assert fit.shape[0, 0] < 0 < fit.shape[16, 0], "not turned over"


def test_orientation_scale_and_face_order_do_not_matter():
    faces = turned_faces(30)
    upside_down = -3 * faces[::-1] + 7
    assert fit_mirror(upside_down).mirror.tolist() == fit_mirror(faces).mirror.tolist()


def test_98_points():
    faces, mirror = shuffled(convert_points(turned_faces(40), FACE68, WFLW98), WFLW98)
    assert fit_mirror(faces).mirror.tolist() == mirror.tolist()


def test_real_faces_with_points_shuffled(real_faces):
    faces, mirror = shuffled(real_faces, FACE68)
    fit = fit_mirror(faces)
    assert fit.mirror.tolist() == mirror.tolist()
    assert not fit.doubtful.any()


@pytest.mark.parametrize("scheme", [FACE5, COFW29, WFLW98], ids=lambda scheme: scheme.name)
def test_real_faces_of_other_numbers_of_points(real_faces, scheme):
    faces, mirror = shuffled(convert_points(real_faces, FACE68, scheme), scheme)
    fit = fit_mirror(faces)
    assert fit.mirror.tolist() == mirror.tolist()
    assert not fit.doubtful.any()


@pytest.mark.parametrize("first", [0, 100, 200, 300])
def test_twenty_real_faces_are_enough_or_the_doubtful_points_are_named(real_faces, first):
    faces, mirror = shuffled(real_faces[first : first + 20], FACE68)
    fit = fit_mirror(faces)
    wrong = fit.mirror != mirror
    assert wrong.sum() <= 4
    assert not (wrong & ~fit.doubtful).any()
    assert not fit.is_weak


def test_faces_that_all_look_to_one_side_are_weak_evidence(real_faces):
    eyes = real_faces[:, 36:48, 0].mean(axis=1)
    turn = (real_faces[:, 30, 0] - eyes) / np.ptp(real_faces[:, 36:48, 0], axis=1)
    one_side = real_faces[turn > np.quantile(turn, 0.9)]
    assert fit_mirror(one_side).is_weak


def test_noise_has_no_mirror():
    assert fit_mirror(np.random.default_rng(0).normal(size=(30, 20, 2))).is_weak


def test_faces_with_unknown_points_are_left_out():
    faces = turned_faces(30)
    faces[3, 5] = np.nan
    faces[4] = 7.0
    assert fit_mirror(faces).n_faces == 28


def test_input_stays_unchanged():
    faces = turned_faces(10)
    before = faces.copy()
    fit_mirror(faces)
    np.testing.assert_array_equal(faces, before)


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        (np.zeros((0, 68, 2)), DataError, "at least 5 faces .* got 0 of 68"),
        (turned_faces(4), DataError, "got 4 of 68"),
        (np.ones((9, 1, 2)), DataError, "got 0 of 1"),
        (np.zeros((9, 0, 2)), DataError, "got 0 of 0"),
        (np.zeros((9, 68)), ShapeError, "expected shape"),
    ],
)
def test_what_is_refused(shapes, error, message):
    with pytest.raises(error, match=message):
        fit_mirror(shapes)
