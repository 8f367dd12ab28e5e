"""What models say of their points, beside points that are off by known distances."""

import json
from pathlib import Path

import numpy as np
import pytest

from dan.core.errors import DegenerateShapeError
from dan.datasets.annotated import AnnotatedImage
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE, load_pts
from dan.datasets.synthetic import draw_synthetic_face, write_synthetic_faces
from dan.evaluation import Predictions
from dan.evaluation.certainty import (
    ALL,
    certainty_scores,
    certainty_table,
    coverage_table,
)
from dan.evaluation.per_face import regions_of
from dan.evaluation.protocol import SubsetPredictions
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.landmark_model import CropLandmarks
from dan.schemes import FACE68, LandmarkScheme

NAN = np.nan


def part_of(truth, off, scheme, *, stated=None, visibility=None, seen=None):
    """Predictions off to the right by ``off`` (F, N) pixels; ``stated`` (F, N) are errors, too."""
    covariance = None
    if stated is not None:
        covariance = np.asarray(stated)[..., None, None] ** 2 / 2 * np.eye(2)
    images = [
        AnnotatedImage(f"{place}", Path(f"{place}.png"), Path("x.json"), visibility=own)
        for place, own in enumerate([None] * len(truth) if seen is None else seen)
    ]
    found = np.nan_to_num(truth) + np.asarray(off)[..., None] * [1, 0]
    predictions = Predictions(images, found[None], truth, scheme, "gt", covariance, visibility)
    return SubsetPredictions("drawn", "gt", predictions)


@pytest.fixture
def two_sizes():
    """Two faces of four points, of diagonals 5 and 50; in each, what is stated is the reverse."""
    truth = np.array([[0.0, 0], [3, 0], [3, 4], [0, 4]]) * np.array([1, 10])[:, None, None]
    shares = np.array([[1.0, 3, 5, 7], [2, 4, 6, 8]]) / 100
    size = np.array([[5], [50]])
    return truth, shares * size, LandmarkScheme.plain(4), (0.09 - shares) * size


def test_ranks_and_curves_are_of_errors_over_the_face(two_sizes):
    truth, off, scheme, stated = two_sizes
    (score,) = certainty_scores([part_of(truth, off, scheme, stated=stated)])
    assert (score.normaliser, score.n_points) == ("diagonal", 8)
    assert (score.rank_of_points, score.rank_of_faces) == pytest.approx((-1, -1))
    at = [score.dropped.index(share) for share in (0, 0.25, 0.5, 0.75)]
    assert np.array(score.remaining_percent)[at] == pytest.approx([4.5, 5.5, 6.5, 7.5])
    assert np.array(score.ideal_percent)[at] == pytest.approx([4.5, 3.5, 2.5, 1.5])
    (right,) = certainty_scores([part_of(truth, off, scheme, stated=2 * off)])
    assert (right.rank_of_points, right.rank_of_faces) == pytest.approx((1, 1))
    assert right.remaining_percent == right.ideal_percent


def test_points_without_a_position_and_missed_faces_do_not_count(two_sizes):
    truth, off, scheme, stated = two_sizes
    part = part_of(
        np.repeat(truth, 2, axis=0), off.repeat(2, 0), scheme, stated=stated.repeat(2, 0)
    )
    part.predictions.truth[1, 1] = NAN
    part.predictions.covariance[1, 3] = NAN  # a user's network may not know
    part.predictions.estimates[:, 2] = NAN
    part.predictions.covariance[2] = NAN
    (score,) = certainty_scores([part])
    assert score.n_points == 4 + 2 + 4
    assert score.rank_of_points == pytest.approx(-1)
    assert score.remaining_percent[0] == pytest.approx((16 + 6 + 20) / 10)


def test_coverage_by_region():
    truth = draw_synthetic_face(np.random.default_rng(0))[1][None]
    off = np.full((1, 68), 0.5)  # of the stated error: in every ellipse
    # The radius over sqrt(2), as the covariance is half the stated square: 0.75, 0.99 and 1.83.
    off[:, FACE68.groups["jaw"]] = 0.9
    off[:, regions_of(FACE68)["eyes"]] = 1.9
    (score,) = certainty_scores([part_of(truth, off, FACE68, stated=np.ones((1, 68)))])
    assert score.coverage_percent == {
        ALL: pytest.approx((100 * 39 / 68, 100 * 56 / 68, 100 * 56 / 68)),
        "jaw": (0, 100, 100),
        "brows": (100, 100, 100),
        "nose": (100, 100, 100),
        "eyes": (0, 0, 0),
        "mouth": (100, 100, 100),
    }
    table = coverage_table([score])
    assert table.columns[1:] == ("all", "jaw", "brows", "nose", "eyes", "mouth")
    assert table.rows[0] == ("drawn, gt, 50 %", "57.4", "0.0", "100.0", "100.0", "0.0", "100.0")
    assert [row[0] for row in table.rows[1:]] == ["drawn, gt, 68 %", "drawn, gt, 95 %"]


def test_visibility_is_judged_where_covered_points_tell_that_somebody_looked(two_sizes):
    truth, off, scheme, _ = two_sizes
    said = np.array([[0.9, 0.8, 0.3, 0.2], [0.7, 0.4, 0.6, NAN]])
    seen = np.array([[VISIBLE, VISIBLE, HIDDEN, UNKNOWN], [HIDDEN, VISIBLE, VISIBLE, VISIBLE]])
    truth[0, 3] = NAN
    (score,) = certainty_scores([part_of(truth, off, scheme, visibility=said, seen=seen)])
    assert score.visibility_roc_auc == pytest.approx(10 / 12)  # 0.4 and 0.6 are below 0.7
    assert score.n_points == 0
    assert certainty_table([score]).rows == (("drawn, gt", "0", "–", "–", "–", "–", "–", "0.833"),)
    assert coverage_table([score]).rows == ()
    values = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert values["coverage_percent"] == {"all": [None] * 3}
    assert values["rank_of_points"] is None
    (score,) = certainty_scores([part_of(truth, off, scheme, visibility=said)])
    assert score.to_dict()["visibility_roc_auc"] is None


def test_a_covariance_that_is_none_is_told(two_sizes):
    truth, off, scheme, stated = two_sizes
    with pytest.raises(DegenerateShapeError, match="expected symmetric positive definite"):
        certainty_scores([part_of(truth, off, scheme, stated=0 * stated)])


class Certain:
    """Finds the mean shape, and says that points err by a pixel of the crop in each direction."""

    name, scheme, has_confidence, crop_size = "certain", FACE68, False, 64

    def __init__(self, mean_shape, knows=True):
        self.mean_shape, self.knows = shape_in_frame(mean_shape, 64, 48.0), knows

    def __call__(self, crops):
        points = np.repeat(np.float32(self.mean_shape)[None], len(crops), axis=0)
        spread = np.tile(np.eye(2, dtype=np.float32), (len(crops), 68, 1, 1))
        unknown = np.full(len(crops), NAN, np.float32)
        return CropLandmarks(points, unknown, covariance=spread if self.knows else None)


def test_the_command_prints_a_row_and_reports_tables_curves_and_numbers(dan, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    write_synthetic_faces("drawn", 5, size=80)  # four in trainset
    mean_shape = load_pts("drawn/trainset/drawn_0000.pts")
    monkeypatch.setattr("dan.cli.evaluate.load_model", lambda *_: Certain(mean_shape))
    done = dan("evaluate", "certain", "drawn/trainset", "-o", "report")
    assert done.code == 0
    report = Path("report/report.md").read_text()
    (values,) = json.loads(Path("report/scores.json").read_text())["certainty"]
    row = f"| trainset, gt | {4 * 68} | {values['coverage_percent']['all'][0]:.1f} | "
    assert row in done.out
    assert row in report
    assert "| trainset, gt, 95 % | " in report
    assert "![Error over dropped points](dropped.png)" in report
    assert Path("report/dropped.png").stat().st_size > 0
    assert len(values["remaining_percent"]) == len(values["dropped"]) == 20
    monkeypatch.setattr("dan.cli.evaluate.load_model", lambda *_: Certain(mean_shape, False))
    silent = dan("evaluate", "silent", "drawn/trainset", "-o", "silent")
    assert silent.code == 0
    assert "ellipse" not in silent.out + Path("silent/report.html").read_text()
    assert json.loads(Path("silent/scores.json").read_text())["certainty"] == []
    assert not Path("silent/dropped.png").exists()
