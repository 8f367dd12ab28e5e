"""Measures of faces whose points are moved by known distances, and blinks."""

import csv

import numpy as np
import pytest

from dan.core.errors import ConfigError
from dan.points.measures import NOISE, find_blinks, measure, measure_noise, measure_table
from dan.points.pose import HEAD
from dan.schemes import COFW29, FACE51, FACE68

BLINKS_S = (0.6, 1.3, 2.1)  # of the fixture

FACE = 100 * HEAD[:, :2]
"""(51, 2) a symmetric face, 100 pixels between its outer eye corners."""


def of(points):
    return {name: values[0] for name, values in measure(points[None], FACE51).items()}


def moved(places, by):
    points = FACE.copy()
    points[places] += by
    return points


def test_the_eye_aspect_ratio_is_that_of_the_paper():
    points = FACE.copy()
    points[19:25] = [[0, 0], [10, -4], [20, -6], [30, 0], [20, 6], [10, 4]]
    assert of(points)["left_eye"] == pytest.approx((8 + 12) / (2 * 30))
    assert of(points)["right_eye"] == of(FACE)["right_eye"]
    points[25:31] = [[60, 0], [70, 0], [80, 0], [90, 0], [80, 0], [70, 0]]
    assert of(points)["right_eye"] == 0


def test_mouth_brows_and_eyes_by_exact_distances():
    points = FACE.copy()
    points[43:51] = [[0, 0], [10, -3], [20, -4], [30, -5], [40, 0], [30, 5], [20, 6], [10, 3]]
    assert of(points)["mouth"] == pytest.approx((6 + 10 + 10) / (3 * 40))
    higher = of(moved(slice(0, 5), [0, -7]))
    assert higher["left_brow"] - of(FACE)["left_brow"] == pytest.approx(0.07)
    assert higher["right_brow"] == of(FACE)["right_brow"] == pytest.approx(of(FACE)["left_brow"])
    assert of(FACE)["left_brow"] > 0.1
    assert of(FACE)["eye_distance"] == pytest.approx(100 / 74)


def test_a_symmetric_face_has_no_asymmetry_and_a_lowered_corner_shows_in_its_region():
    assert [of(FACE)[name] for name in NOISE if "asymmetry" in name] == pytest.approx([0] * 5)
    lopsided = of(moved([31, 42, 43], [0, 10]))  # a corner of the mouth
    parts = {name: lopsided[f"asymmetry_{name}"] for name in ("mouth", "eyes", "brows", "nose")}
    assert max(parts, key=parts.get) == "mouth"
    assert parts["mouth"] > 0.03
    assert 0 < lopsided["asymmetry"] < parts["mouth"]
    assert max(parts["eyes"], parts["brows"], parts["nose"]) < 0.5 * parts["mouth"]


def test_scale_turn_and_place_change_nothing_and_mirroring_swaps_sides():
    points = FACE + np.random.default_rng(0).normal(0, 2, FACE.shape)
    c, s = 3 * np.cos(2), 3 * np.sin(2)
    there = of(points @ [[c, s], [-s, c]] + [500, -20])
    assert there == pytest.approx(of(points))
    flipped = of(points[FACE51.mirror] * [-1, 1])
    swapped = {"left_eye": "right_eye", "right_eye": "left_eye"} | {
        "left_brow": "right_brow",
        "right_brow": "left_brow",
    }
    assert flipped == pytest.approx({name: of(points)[swapped.get(name, name)] for name in NOISE})


def test_noise_by_covariance_is_what_noise_does():
    rng = np.random.default_rng(1)
    points = FACE + rng.normal(0, 3, FACE.shape)  # at 0, as of a perfect face, roots have kinks
    roots = 0.5 * rng.normal(size=(51, 2, 2))
    told = measure_noise(points[None], FACE51, (roots @ np.swapaxes(roots, 1, 2))[None])
    off = np.einsum("pij,npj->npi", roots, rng.normal(size=(4000, 51, 2)))
    seen = measure(points + off, FACE51)
    for name in NOISE:
        assert told[name][0] == pytest.approx(seen[name].std(), rel=0.1), name
    usual = measure_noise(points[None], FACE51)
    assert {name: values.tolist() for name, values in usual.items()} == {
        name: [value] for name, value in NOISE.items()
    }


def test_what_cannot_be_measured_is_nan_or_told():
    unknown, equal = moved([20], np.nan), FACE.copy()
    equal[25:31] = 5
    values = measure(np.stack([unknown, equal]), FACE51)
    assert np.isnan(values["left_eye"]).tolist() == [True, False]
    assert np.isnan(values["right_eye"]).tolist() == [False, True]
    assert np.isfinite(values["mouth"]).all()
    assert measure(np.empty((0, 68, 2)), FACE68)["mouth"].shape == (0,)
    with pytest.raises(ConfigError, match="no conversion leads from scheme cofw29"):
        measure(np.zeros((1, 29, 2)), COFW29)


def test_the_table_has_the_same_columns_with_and_without_faces():
    empty = measure_table(np.empty((0, 51, 2)), FACE51, times_s=np.empty(0))
    one = measure_table(FACE[None], FACE51, times_s=np.zeros(1))
    assert list(empty) == list(one)
    assert {len(values) for values in one.values()} == {1}
    spread = np.eye(2) * np.ones((1, 51, 1, 1))
    assert list(measure_table(FACE[None], FACE51, spread))[-14:-11] == [
        "yaw_sd", "pitch_sd", "roll_sd",
    ]  # fmt: skip


def track(*falls, n_frames=100, level=0.3):
    """Times at 25 a second, and openness that falls to shares of it: (first, last, share)."""
    openness = np.full(n_frames, level)
    for first, last, share in falls:
        openness[first:last] = level * share
    return np.arange(n_frames) / 25, openness


def test_blinks_are_found_with_their_times():
    times, openness = track((20, 24, 0.4), (60, 63, 0.2))
    first, second = find_blinks(times, openness)
    # From 1 to 0.4 within a frame: it passes 0.8 after a third of the frame.
    assert first.start_s == pytest.approx((19 + 1 / 3) / 25)
    assert first.duration_s == pytest.approx((3 + 4 / 3) / 25)
    assert (first.closure, second.closure) == pytest.approx((0.6, 0.8))


@pytest.mark.parametrize(
    "falls",
    [
        [(20, 24, 0.7)],  # a squint
        [(20, 40, 0.2)],  # closed for 0.8 s
        [(0, 4, 0.2)],  # closed when the video began
        [(96, 100, 0.2)],  # and when it ended
        [],
    ],
)
def test_what_is_no_blink(falls):
    assert find_blinks(*track(*falls)) == []


def test_the_baseline_is_the_persons_own():
    assert len(find_blinks(*track((50, 53, 0.5), level=0.15))) == 1
    times, openness = track((100, 103, 0.5), (700, 703, 0.5), n_frames=1000)
    openness[500:] *= 0.6  # the head turned down: the eyes look half closed from then on
    openness[300:303] = np.nan
    assert [round(blink.start_s) for blink in find_blinks(times, openness)] == [4, 28]
    assert find_blinks(times[:0], openness[:0]) == []


def test_the_command_counts_the_blinks_of_a_clip(dan, blinking_clip, tmp_path):
    pytest.importorskip("matplotlib")
    out, plot = tmp_path / "clip.csv", tmp_path / "plot.png"
    done = dan("measure", blinking_clip, "-o", out, "--plot", plot)
    assert done.code == 0
    assert "face 1: 3 blinks in 3.0 s" in done.err
    assert plot.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["frame"] for row in rows] == [str(frame) for frame in range(75)]
    begun = [
        float(row["time_s"])
        for before, row in zip([{"blink": "0"}, *rows], rows, strict=False)
        if before["blink"] < row["blink"]
    ]
    assert begun == pytest.approx(BLINKS_S, abs=0.061)
    assert np.ptp([float(row["yaw"]) for row in rows]) < 3


def test_the_command_measures_pictures(dan, portrait_path, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.jpg").write_bytes(portrait_path.read_bytes())
    (tmp_path / "in" / "two.jpg").write_bytes(b"no picture")
    out = tmp_path / "faces.csv"
    done = dan("measure", tmp_path / "in", "-o", out)
    assert done.code == 1
    assert "skipped" in done.err
    assert "two.jpg" in done.err
    (row,) = csv.DictReader(out.read_text().splitlines())
    assert row["picture"].endswith("one.jpg")
    assert row["face"] == "1"
    assert float(row["left_eye_sd"]) == pytest.approx(0.041, abs=0.004)
    assert 0.2 < float(row["left_eye"]) < 0.5
    assert "blink" not in row


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "out.txt"], "out.txt: expected a name that ends in .csv"),
        (["-o", "out.csv", "--plot", "p.jpg"], "p.jpg: expected a name that ends in .png"),
        (["-o", "out.csv", "--plot", "p.png"], "--plot: expected one video, got pictures"),
        (["-o", "out.csv", "--certainty"], "--certainty: expected without"),
    ],
)
def test_bad_words_are_told_before_any_work(dan, portrait_path, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = dan("measure", portrait_path, *words)
    assert done.code == 2
    assert told in done.err
    assert list(tmp_path.iterdir()) == []
