"""Errors by yaw and by visibility, of faces whose points are off by known distances."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dan.datasets.annotated import AnnotatedImage
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE
from dan.evaluation import Predictions
from dan.evaluation.breakdown import ALL, group_table, scores_by_group
from dan.evaluation.protocol import SubsetPredictions
from dan.points.pose import HEAD
from dan.schemes import FACE51, LandmarkScheme


def part_of(truth, visibility, off, scheme=FACE51):
    """Predictions that are off to the right by ``off`` (F, N), as shares of each face's box."""
    size = np.sqrt(np.prod(np.nanmax(truth, axis=1) - np.nanmin(truth, axis=1), axis=1))
    moved = np.nan_to_num(truth) + (off * size[:, None])[..., None] * [1, 0]
    images = [
        AnnotatedImage(f"{place}", Path(f"{place}.png"), Path("x.json"), visibility=seen)
        for place, seen in enumerate(visibility)
    ]
    return SubsetPredictions("drawn", "gt", Predictions(images, moved[None], truth, scheme, "gt"))


@pytest.fixture
def part():
    """Two faces from the front and one from the side, whose other side is hidden.

    Seen points are off by 2, 4 and 10 %, covered ones of the first and the last by 6 and 20 %.
    """
    turned = [np.cos(np.radians(70)), np.sin(np.radians(70))]
    side = np.stack([HEAD[:, [0, 2]] @ [turned[0], -turned[1]], HEAD[:, 1]], axis=1)
    truth = np.stack([HEAD[:, :2], HEAD[:, :2], side]) * 100
    seen = np.full((3, 51), VISIBLE, np.uint8)
    off = np.full((3, 51), [[0.02], [0.04], [0.10]])
    seen[0, :5], off[0, :5] = HIDDEN, 0.06
    seen[2, 10:12], off[2, 10:12] = HIDDEN, 0.20
    hidden = HEAD[:, 0] < 0
    seen[2, hidden] = UNKNOWN
    truth[2, hidden], off[2, hidden] = np.nan, 5.0
    return part_of(truth, seen, off)


def figures(score):
    return (
        score.nme_percent,
        score.median_percent,
        score.failure_percent,
        score.covered_percent,
    )


def test_bands_and_visibility(part):
    every, front, side = scores_by_group(part, threshold=0.08)
    assert [score.yaw for score in (every, front, side)] == [ALL, "0–30°", "60° and more"]
    assert [score.n_faces for score in (every, front, side)] == [3, 2, 1]
    n_side = int((HEAD[:, 0] >= 0).sum()) - 2
    assert [s.n_seen for s in (every, front, side)] == [97 + n_side, 97, n_side]
    assert [score.n_covered for score in (every, front, side)] == [7, 5, 2]
    assert figures(every) == pytest.approx((16 / 3, 4, 100 / 3, 13))
    assert figures(front) == pytest.approx((3, 3, 0, 6))
    assert figures(side) == pytest.approx((10, 10, 100, 20))


def test_a_missed_face_is_infinitely_wrong_and_in_no_mean(part):
    found = part.predictions.estimates.copy()
    found[:, 1:] = np.nan
    missed = replace(part, predictions=replace(part.predictions, estimates=found))
    every, front, side = scores_by_group(missed, threshold=0.08)
    assert figures(every) == pytest.approx((2, np.inf, 200 / 3, 6))
    assert figures(front) == pytest.approx((2, np.inf, 50, 6))
    assert side.failure_percent == 100
    assert json.loads(json.dumps(side.to_dict())) | {"n_seen": 0} == {
        "subset": "drawn",
        "box_source": "gt",
        "yaw": "60° and more",
        "n_faces": 1,
        "n_seen": 0,
        "nme_percent": None,
        "median_percent": None,
        "failure_percent": 100.0,
        "threshold": 0.08,
        "n_covered": 2,
        "covered_percent": None,
    }


def test_a_face_of_covered_points_alone_has_no_error_over_seen_ones():
    truth = np.array([[[0.0, 0.0], [100.0, 100.0]]])
    part = part_of(truth, [np.full(2, HIDDEN)], np.full((1, 2), 0.5), LandmarkScheme.plain(2))
    (score,) = scores_by_group(part)
    assert (score.yaw, score.n_faces, score.n_seen, score.n_covered) == (ALL, 1, 0, 2)
    assert figures(score) == pytest.approx((np.nan, np.nan, np.nan, 50), nan_ok=True)
    assert group_table([score]).rows == (
        ("drawn, gt", "all", "1", "0", "–", "–", "–", "2", "50.00"),
    )


def test_no_table_where_neither_yaw_nor_covered_points_are_known(part):
    truth = np.array([[[0.0, 0.0], [100.0, 100.0]]])
    plain = part_of(truth, [None], np.zeros((1, 2)), LandmarkScheme.plain(2))
    assert scores_by_group(plain) == []
    assert group_table([]).rows == ()


def test_columns_of_covered_points_are_there_only_with_such_points(part):
    images = [replace(image, visibility=None) for image in part.predictions.images]
    seen = replace(part, predictions=replace(part.predictions, images=images))
    table = group_table(scores_by_group(seen, threshold=0.07))
    assert table.columns[-1] == "FR@0.07 %"
    assert {len(row) for row in table.rows} == {len(table.columns)}
    with_covered = group_table(scores_by_group(part))
    assert with_covered.columns[-2:] == ("covered points", "their NME %")
    assert {len(row) for row in with_covered.rows} == {len(with_covered.columns)}
