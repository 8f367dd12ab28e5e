"""What ``benchmarks/hard_copies.py`` does to pictures, and where their points go."""

from pathlib import Path

import numpy as np
import pytest

from dan.core.images import write_png
from dan.datasets.annotated import AnnotatedImage

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("needs benchmarks/, which the source archive lacks", allow_module_level=True)

CORNERS = np.array([[50.0, 80.0], [249.0, 179.0]])
BLACK = np.zeros((300, 300, 3), np.uint8)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def spoilt(name, picture, seed=0):
    import hard_copies

    return getattr(hard_copies, name)(picture, CORNERS, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(6))
def test_a_cover_takes_30_percent_of_the_box_and_nothing_else(seed):
    picture, points = spoilt("covered", BLACK - 1, seed)
    is_covered = (picture != 255).any(axis=2)
    assert is_covered.sum() == pytest.approx(0.3 * 199 * 99, rel=0.03)
    is_covered[80:180, 50:250] = False
    assert not is_covered.any()
    assert points is CORNERS


def test_points_move_with_the_small_picture():
    columns = np.tile(np.arange(300)[None, :, None] * 0.8, (300, 1, 3))  # brighter to the right
    picture, points = spoilt("small", columns.round().astype(np.uint8))
    assert np.ptp(points[:, 0]) == pytest.approx(24)
    for x, level in zip(points[:, 0], 0.8 * CORNERS[:, 0], strict=True):
        seen = np.interp(x, np.arange(picture.shape[1]), picture[5, :, 0])
        assert seen == pytest.approx(level, abs=1)


def test_an_eighth_of_the_light_has_the_noise_of_its_electrons():
    picture, _ = spoilt("dark", BLACK + 255)
    electrons = (picture / 255) ** 2.2 * 500
    assert electrons.mean() == pytest.approx(500 / 8, rel=0.01)
    assert electrons.std() == pytest.approx(np.sqrt(500 / 8 + 2**2), rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_motion_spreads_about_the_place(seed):
    picture = BLACK.copy()
    picture[140:161, 140:161] = 255
    blurred = spoilt("motion", picture, seed)[0][..., 0].astype(float)
    rows, columns = np.mgrid[:300, :300]
    x, y = ((of * blurred).sum() / blurred.sum() for of in (columns, rows))
    assert (x, y) == pytest.approx((150, 150), abs=0.2)
    spread = (((columns - x) ** 2 + (rows - y) ** 2) * blurred).sum() / blurred.sum()
    square, path = 2 * (21**2 - 1) / 12, 19.9**2 / 12  # variances
    assert spread == pytest.approx(square + path, rel=0.05)


def test_a_copy_is_the_same_each_time_and_another_for_each_picture(tmp_path):
    from hard_copies import copy_of, dark

    write_png(tmp_path / "one.png", BLACK + 128)
    one, other = (
        AnnotatedImage(name, tmp_path / "one.png", tmp_path, points=CORNERS) for name in "ab"
    )
    again = copy_of(one, "dark", dark)[0]
    np.testing.assert_array_equal(again, copy_of(one, "dark", dark)[0])
    assert (again != copy_of(other, "dark", dark)[0]).any()


def test_figures():
    from hard_copies import figures

    assert figures(np.array([0.02, 0.1]), np.array([0.02, 0.04])) == "6.00 / 50.0 / 2.00"
