"""Yaw from points, on views of the mean head, and the fit of that head to views of a shape."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from dan.evaluation.yaw import estimate_yaws
from dan.points.pose import HEAD
from dan.schemes import COFW29, FACE51, FACE68, LandmarkScheme

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "head_shape.py"


def turn(axis, angle_deg):
    """(3, 3) rotation about x, y or z (0, 1, 2)."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.roll([[1, 0, 0], [0, c, -s], [0, s, c]], (axis, axis), axis=(0, 1))


def view(head, *, yaw=0.0, pitch=0.0, roll=0.0):
    """(N, 2) points of a head that looks to the image's right by ``yaw``, pixels."""
    return 80 * (head @ (turn(2, roll) @ turn(0, pitch) @ turn(1, -yaw)).T)[:, :2] + [90, 70]


def test_a_turn_to_the_right_moves_the_nose_there():
    tip, corners = 13, [19, 28]
    turned = view(HEAD, yaw=20)
    assert turned[tip, 0] > turned[corners, 0].mean() + 5


@pytest.mark.parametrize("yaw", [0, 20, -45, 75, -90, 110])
@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (15, -30), (-20, 180)])
def test_views_of_the_head_give_its_yaw(yaw, pitch, roll):
    points = view(HEAD, yaw=yaw, pitch=pitch, roll=roll)[None]
    assert estimate_yaws(points, FACE51) == pytest.approx([yaw], abs=1e-6)


def test_points_without_a_position_do_not_count():
    points = np.stack([view(HEAD, yaw=yaw) for yaw in (70, -50, 30)])
    points[0, HEAD[:, 0] < 0] = np.nan
    points[1, HEAD[:, 0] > 0.1] = np.nan
    assert estimate_yaws(points, FACE51) == pytest.approx([70, -50, 30], abs=1e-6)


def test_other_schemes_give_it_by_their_inner_points():
    jaw = np.random.default_rng(1).uniform(0, 200, (17, 2))
    points = np.concatenate([jaw, view(HEAD, yaw=40)])[None]
    assert estimate_yaws(points, FACE68) == pytest.approx([40], abs=1e-6)


def test_a_noisy_view_gives_a_near_yaw_and_its_mirror_image_the_opposite():
    points = view(HEAD, yaw=35, pitch=5) + np.random.default_rng(0).normal(0, 1, (51, 2))
    (yaw,) = estimate_yaws(points[None], FACE51)
    assert yaw == pytest.approx(35, abs=3)
    flipped = points[FACE51.mirror] * [-1, 1]
    assert estimate_yaws(flipped[None], FACE51) == pytest.approx([-yaw], abs=1e-6)


def test_what_cannot_be_told_is_nan():
    few = np.full((51, 2), np.nan)
    few[:16] = view(HEAD, yaw=10)[:16]
    in_one_place = np.full((51, 2), 7.0)
    yaws = estimate_yaws(np.stack([few, view(HEAD, yaw=10), in_one_place]), FACE51)
    np.testing.assert_allclose(yaws, [np.nan, 10, np.nan], atol=1e-6)
    for scheme in (COFW29, LandmarkScheme.plain(7)):
        points = np.random.default_rng(0).normal(size=(2, scheme.n_landmarks, 2))
        assert np.isnan(estimate_yaws(points, scheme)).all()
    assert estimate_yaws(np.empty((0, 51, 2)), FACE51).shape == (0,)


@pytest.mark.skipif(not BENCHMARK.is_file(), reason="needs benchmarks/")
def test_the_head_is_that_whose_views_are_given():
    """Views of any size and place lead back to the head, exactly."""
    rng = np.random.default_rng(3)
    views = [
        rng.uniform(0.5, 2) * view(HEAD, yaw=yaw, pitch=pitch, roll=roll) + rng.normal(0, 9, 2)
        for yaw, pitch, roll in rng.uniform(-30, 30, (40, 3))
    ]
    found = runpy.run_path(str(BENCHMARK))["fit_head"](np.stack(views))
    np.testing.assert_allclose(found, HEAD, atol=1e-6)
