"""Prediction in image pixels, with a stand-in for the network whose answers are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import PORTRAIT

from dan.core.errors import DataError
from dan.core.images import read_rgb
from dan.datasets.annotated import find_annotated
from dan.datasets.formats import load_pts, save_pts
from dan.datasets.synthetic import write_synthetic_faces
from dan.evaluation import Predictions, predict_annotated, score_predictions
from dan.evaluation.per_face import errors_of
from dan.evaluation.prediction_files import (
    draw_predictions,
    save_predictions,
    write_predictions,
)
from dan.evaluation.protocol import SubsetPredictions, concatenated
from dan.evaluation.report import write_report
from dan.geometry import box_of_points
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.aligner import FaceAligner
from dan.inference.landmark_model import CropLandmarks
from dan.schemes import FACE68, LandmarkScheme


class MeanShapeModel:
    """Answers with the mean shape in stage 1, and shifted by (2, 0) crop pixels in stage 2."""

    name, scheme, has_confidence = "mean", FACE68, False
    crop_size = 64

    def __init__(self, mean_shape):
        self.mean_shape = shape_in_frame(mean_shape, 64, 48.0)
        self.batches = []

    def __call__(self, crops):
        self.batches.append(crops.shape)
        assert crops.dtype == np.uint8
        first = np.repeat(self.mean_shape[None], len(crops), axis=0)
        stages = np.stack([first, first + np.array([2.0, 0.0])]).astype(np.float32)
        return CropLandmarks(stages[-1], np.full(len(crops), np.nan, np.float32), stages)


@pytest.fixture
def faces(tmp_path):
    write_synthetic_faces(tmp_path / "faces", 10, size=100)
    return find_annotated(tmp_path / "faces")


@pytest.fixture
def model(faces):
    return MeanShapeModel(load_pts(faces[0].points_path))


def test_points_come_back_in_image_pixels(faces, model):
    found = predict_annotated(faces[:1], model)
    # The face is the mean shape itself, so its box puts every point on the truth.
    np.testing.assert_allclose(found.estimates[0], found.truth, atol=1e-3)
    scale = 48 / max(np.ptp(found.truth[0], axis=0))
    shift = found.estimates[1] - found.estimates[0]
    np.testing.assert_allclose(shift[0], np.tile([2 / scale, 0], (68, 1)), atol=1e-3)


def test_batches_cover_every_image_in_order(faces, model):
    calls = []
    found = predict_annotated(faces, model, batch_size=4, on_face=lambda: calls.append(1))
    assert model.batches == [(4, 64, 64), (4, 64, 64), (2, 64, 64)]
    assert len(calls) == 10
    assert found.estimates.shape == (2, 10, 68, 2)
    again = predict_annotated(faces[5:6], model)
    np.testing.assert_allclose(found.estimates[:, 5:6], again.estimates)


def test_boxes_of_a_file_are_used_and_missing_ones_are_missed_faces(faces, model, tmp_path):
    boxes = {
        image.image_path.name: (box_of_points(load_pts(image.points_path)) + 9).tolist()
        for image in faces[1:]
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(boxes))
    found = predict_annotated(faces, model, path)
    assert np.isnan(found.estimates[:, 0]).all()
    by_truth = predict_annotated(faces, model)
    np.testing.assert_allclose(found.estimates[:, 1:], by_truth.estimates[:, 1:] + 9, atol=1e-3)
    score = score_predictions(found, "drawn")[1]
    assert (score.n_images, score.n_missed, score.box_source) == (10, 1, "boxes")
    assert score.failure_percent >= 10


class CertainModel(MeanShapeModel):
    """Says that each point errs by 3 crop pixels along x and 1 along y, and how likely it is."""

    def __call__(self, crops):
        found = super().__call__(crops)
        covariance = np.tile(np.diag(np.float32([9, 1])), (*found.points.shape[:2], 1, 1))
        seen = np.tile(np.linspace(0, 1, 68, dtype=np.float32), (len(crops), 1))
        return replace(found, covariance=covariance, visibility=seen)


def test_what_the_model_says_of_its_points_is_kept_in_pixels_of_the_picture(faces, model, tmp_path):
    assert predict_annotated(faces[:1], model).covariance is None
    boxes = {i.image_path.name: box_of_points(i.load_points()).tolist() for i in faces[1:5]}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    certain = CertainModel(load_pts(faces[0].points_path))
    found = predict_annotated(faces[:5], certain, tmp_path / "boxes.json", batch_size=3)
    assert np.isnan(found.covariance[0]).all()  # there is no box
    assert np.isnan(found.visibility[0]).all()
    shift = found.estimates[1, 1:, 0, 0] - found.estimates[0, 1:, 0, 0]  # of 2 crop pixels
    expected = np.diag([9, 1]) * (shift[:, None, None, None] / 2) ** 2
    np.testing.assert_allclose(found.covariance[1:], np.tile(expected, (1, 68, 1, 1)), rtol=1e-4)
    np.testing.assert_allclose(found.visibility[4], np.linspace(0, 1, 68))
    both = concatenated([found, found])
    assert both.covariance.shape == (10, 68, 2, 2)
    assert both.visibility.shape == (10, 68)
    assert concatenated([predict_annotated(faces[:1], model)] * 2).covariance is None


def test_scores_name_all_they_depend_on(faces, model):
    scores = score_predictions(predict_annotated(faces[:1], model), "drawn")
    assert [(score.subset, score.normaliser) for score in scores] == [
        ("drawn, stage 1", "inter_ocular"),
        ("drawn, stage 2", "inter_ocular"),
        ("drawn, stage 2", "inter_pupil"),
        ("drawn, stage 2", "diagonal"),
        ("drawn, stage 2", "box_size"),
    ]
    assert {score.box_source for score in scores} == {"gt"}
    assert scores[0].nme_percent == pytest.approx(0, abs=1e-3)
    assert scores[1].nme_percent > 1


def test_a_scheme_without_eyes_is_scored_by_the_diagonal(faces):
    scheme = LandmarkScheme.plain(2)
    truth = np.array([[[0.0, 0.0], [3.0, 4.0]]], np.float32)
    found = Predictions(faces[:1], truth[None] + [0.0, 1.0], truth, scheme, "gt")
    by_diagonal, by_size = score_predictions(found, "two points")
    assert (by_diagonal.normaliser, by_size.normaliser) == ("diagonal", "box_size")
    assert by_diagonal.nme_percent == pytest.approx(20)
    assert by_size.nme_percent == pytest.approx(100 / np.sqrt(12))


def test_faces_are_scored_by_the_points_that_they_have(faces, model, tmp_path):
    first, *others = faces[:3]
    points = first.load_points().astype(float)
    points[[2, 36]] = np.nan
    found = predict_annotated([replace(first, points=points), *others], model)
    assert found.normalisers == ["diagonal", "box_size"]
    errors = errors_of(found, "diagonal", stage=1)
    known = np.isfinite(points).all(axis=1)
    distances = np.linalg.norm(found.estimates[1, 0] - points, axis=1)[known]
    diagonal = np.hypot(*np.ptp(points[known], axis=0))
    assert errors[0] == pytest.approx(distances.mean() / diagonal, rel=1e-5)
    assert np.isfinite(errors).all()
    write_predictions(found, tmp_path / "drawn")
    parts = [SubsetPredictions("drawn", "gt", found)]
    written = write_report(tmp_path / "report", parts, {}, threshold=0.08, peers={})
    assert all(path.stat().st_size for path in written)
    report = (tmp_path / "report" / "report.md").read_text()
    assert "nan" not in report
    assert "published" not in report  # those are over the outer eye corners


def test_boxes_of_other_images_are_refused(faces, model, tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"somebody.jpg": [0, 0, 5, 5]}')
    with pytest.raises(DataError, match=r"boxes.json: expected boxes of these images, found none"):
        predict_annotated(faces, model, path)


def test_another_number_of_points_names_the_file(faces, model, tmp_path):
    save_pts(faces[3].points_path, np.zeros((5, 2)))
    with pytest.raises(DataError, match="expected 68 points as the model, got 5") as caught:
        predict_annotated(find_annotated(tmp_path / "faces"), model)
    assert str(faces[3].points_path) in str(caught.value)


def test_files_and_pictures(faces, model, tmp_path):
    found = predict_annotated(faces[:3], model)
    out = tmp_path / "out"
    save_predictions(found, out)
    tiles = list(draw_predictions(found, out))
    assert len(tiles) == 3
    for image, points in zip(found.images, found.estimates[-1], strict=True):
        np.testing.assert_allclose(load_pts(out / f"{image.name}.pts"), points, atol=1e-3)
        picture = read_rgb(out / f"{image.name}.png")
        assert picture.shape == read_rgb(image.image_path).shape
        assert not np.array_equal(picture, read_rgb(image.image_path))


def test_a_missed_face_gets_no_points_file(faces, model, tmp_path):
    found = predict_annotated(faces[:2], model)
    found.estimates[:, 0] = np.nan
    save_predictions(found, tmp_path / "out")
    list(draw_predictions(found, tmp_path / "out"))
    assert not (tmp_path / "out" / f"{faces[0].name}.pts").exists()
    assert (tmp_path / "out" / f"{faces[1].name}.pts").exists()


def test_what_is_scored_is_what_aligning_returns(tmp_path):
    """One path: a colour JPEG, read, cut and moved back alike."""
    (tmp_path / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    box = [[179, 90, 269, 175]]
    aligner = FaceAligner("dan68-fast", "whole", threads=1)
    save_pts(tmp_path / "a.pts", aligner(tmp_path / "a.jpg", boxes=box).points_xy[0])
    (image,) = find_annotated(tmp_path)
    scored = predict_annotated([image], aligner.model).estimates[-1]
    aligned = aligner(tmp_path / "a.jpg", boxes=[box_of_points(image.load_points())])
    assert np.abs(scored - aligned.points_xy).max() < 0.01
