import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.datasets.synthetic import template_shape
from dan.video.smoothing import OneEuroFilter, Smoothing

SHAPE = 100 * template_shape()


def smoothed(track, times, size=100.0):
    run = OneEuroFilter(Smoothing())
    return np.array(
        [run(points, size, time_s) for points, time_s in zip(track, times, strict=True)]
    )


def jitter(track):
    return np.linalg.norm(np.diff(track, n=2, axis=0), axis=2).mean()


def test_one_point_by_hand():
    # 0 then 10 pixels in 0.1 s, size 100: speed 1/s. All cut-offs by the paper's formulas.
    step, size = 0.1, 100.0

    def share(cutoff):
        return 1 / (1 + 1 / (2 * np.pi * cutoff * step))

    speed = share(1.0) * (10 / size / step)
    expected = 10 * share(0.5 + 3.0 * speed)
    run = OneEuroFilter(Smoothing(min_cutoff_hz=0.5, beta=3.0, speed_cutoff_hz=1.0))
    assert run(np.zeros((1, 2)), size, 0.0).tolist() == [[0.0, 0.0]]
    assert run(np.array([[10.0, 0.0]]), size, step)[0] == pytest.approx([expected, 0.0], rel=1e-6)


def test_a_still_face_is_steadier_and_stays_where_it_is():
    rng, times = np.random.default_rng(0), np.arange(90) / 30
    noisy = SHAPE + rng.normal(0, 0.5, (90, 68, 2))
    steady = smoothed(noisy, times)
    assert jitter(steady) < 0.4 * jitter(noisy)
    assert np.abs(steady[30:].mean(axis=0) - SHAPE).max() < 0.35


def test_a_face_that_moves_steadily_lags_by_less_than_a_frame_and_a_half():
    times = np.arange(60) / 30
    track = SHAPE + np.stack([200 * times, 0 * times], axis=1)[:, None]  # two face widths a second
    lag = (track - smoothed(track, times))[-1, :, 0] / 200
    assert 0 < lag.max() < 1.5 / 30


def test_parameters_do_not_depend_on_the_resolution():
    rng, times = np.random.default_rng(1), np.arange(30) / 25
    track = SHAPE + np.cumsum(rng.normal(0, 2, (30, 1, 2)), axis=0) + rng.normal(0, 1, (30, 68, 2))
    small, large = smoothed(track, times), smoothed(8 * track, times, size=800.0)
    np.testing.assert_allclose(large / 8, small, atol=1e-3)


def test_the_input_is_left_alone_and_its_shape_is_checked():
    first, second = SHAPE.copy(), SHAPE + 1
    run = OneEuroFilter(Smoothing())
    run(first, 100.0, 0.0)
    kept = second.copy()
    run(second, 100.0, 0.1)
    assert (first == SHAPE).all()
    assert (second == kept).all()
    with pytest.raises(ShapeError, match=r"expected shape \(N, 2\)"):
        run(np.zeros(3), 100.0, 0.2)
