"""The 300-W protocol and its report, on drawn faces laid out as the release is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dan.cli.common import parse_peers
from dan.core.errors import ConfigError, DataError
from dan.core.images import write_png
from dan.datasets.annotated import find_annotated
from dan.datasets.formats import load_pts, save_pts
from dan.datasets.synthetic import draw_synthetic_face
from dan.evaluation.per_face import peer_predictions
from dan.evaluation.protocol import count_faces, predict_protocol
from dan.evaluation.report import write_report
from dan.geometry import box_of_points
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.landmark_model import CropLandmarks
from dan.schemes import FACE68


class MeanShapeModel:
    name, scheme, has_confidence = "mean", FACE68, False
    crop_size = 64

    def __init__(self, mean_shape):
        self.mean_shape = shape_in_frame(mean_shape, 64, 48.0)

    def __call__(self, crops):
        first = np.repeat(self.mean_shape[None], len(crops), axis=0)
        stages = np.stack([first + np.array([2.0, 0.0]), first]).astype(np.float32)
        return CropLandmarks(stages[-1], np.full(len(crops), np.nan, np.float32), stages)


@pytest.fixture
def release(tmp_path):
    """helen/testset with boxes for all but its last face, ibug, and a training folder."""
    root = tmp_path / "release"
    for folder, count in (("helen/testset", 4), ("ibug", 3), ("helen/trainset", 2)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            picture, points = draw_synthetic_face(np.random.default_rng([count, index]), 90)
            write_png(root / folder / f"face_{index}.png", picture)
            save_pts(root / folder / f"face_{index}.pts", points)
    boxes = {
        image.image_path.name: box_of_points(load_pts(image.points_path)).tolist()
        for image in find_annotated(root / "helen/testset")[:-1]
    }
    (root / "helen_testset_boxes.json").write_text(json.dumps(boxes))
    return root


@pytest.fixture
def model(release):
    return MeanShapeModel(load_pts(find_annotated(release / "ibug")[0].points_path))


def test_subsets_are_joined_from_the_folders_that_are_there(release, model):
    calls = []
    parts = predict_protocol(release, model, lambda: calls.append(1))
    found = [(part.subset, part.box_source, len(part.predictions.images)) for part in parts]
    assert found == [
        ("common (helen/testset only)", "gt", 4),
        ("common (helen/testset only)", "det", 4),
        ("challenging", "gt", 3),
        ("full (helen/testset, ibug only)", "gt", 7),
    ]
    assert len(calls) == 4 + 3 + 3  # a face without a box is not read
    assert count_faces(release) == 4 + 4 + 3
    names = [image.name for image in parts[-1].predictions.images]
    assert len(set(names)) == 7
    assert all(name.startswith(("helen/testset/", "ibug/")) for name in names)


def test_faces_of_too_few_points_are_left_out_of_each_subset_and_listed(release, model):
    for name in ("helen/testset/face_0.pts", "ibug/face_2.pts"):
        points = load_pts(release / name)
        points[:50] = np.nan
        save_pts(release / name, points)
    parts = predict_protocol(release, model)
    listed = {
        (part.subset.split()[0], part.box_source): [face.image for face in part.left_out]
        for part in parts
    }
    assert listed == {
        ("common", "gt"): ["helen/testset/face_0.png"],
        ("common", "det"): ["helen/testset/face_0.png"],
        ("challenging", "gt"): ["ibug/face_2.png"],
        ("full", "gt"): ["helen/testset/face_0.png", "ibug/face_2.png"],
    }
    assert [len(part.predictions.images) for part in parts] == [3, 3, 2, 5]


def test_a_face_without_a_box_counts_as_missed(release, model):
    det = predict_protocol(release, model)[1].predictions
    assert np.isnan(det.estimates).all(axis=(0, 2, 3)).tolist() == [False, False, False, True]


def test_the_full_set_is_not_told_twice(release, model):
    for path in (release / "ibug").iterdir():
        path.unlink()
    (release / "ibug").rmdir()
    subsets = {part.subset for part in predict_protocol(release, model)}
    assert subsets == {"common (helen/testset only)"}


def test_a_folder_of_something_else_is_refused(tmp_path, model):
    with pytest.raises(DataError, match=r"expected 300-W's test folders \(lfpw/testset,"):
        predict_protocol(tmp_path, model)


def test_the_report_says_what_the_predictions_are_worth(release, model, tmp_path):
    parts = predict_protocol(release, model)
    peer = tmp_path / "peer"
    peer.mkdir()
    for image in find_annotated(release / "helen/testset")[:2]:
        save_pts(peer / f"{image.name}.pts", load_pts(image.points_path))  # a perfect one
    files = write_report(
        tmp_path / "out", parts[:2], {"model": "mean shape"}, threshold=0.08, peers={"peer": peer}
    )
    assert all(path.is_file() for path in files)
    text = (tmp_path / "out" / "report.md").read_text()
    values = json.loads((tmp_path / "out" / "scores.json").read_text())
    gt, det = (s for s in values["scores"] if s["normaliser"] == "inter_ocular")
    assert (gt["n_missed"], det["n_missed"]) == (0, 1)
    assert det["failure_percent"] >= 25
    assert (
        f"| common (helen/testset only), gt | inter_ocular | 4 | 0 | {gt['nme_percent']:.2f} |"
        in text
    )
    assert "| peer, common (helen/testset only) | 4 | 2 | 0.00 | 0.5000 | 50.00 |" in text
    assert "DAN, 2017 (the paper), det | 3.19 |" in text
    for region in ("jaw", "brows", "nose", "eyes", "mouth"):
        assert region in text
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<table>") == text.count("## ") - page.count("<img")
    assert "worst-common-gt.png" in page


def test_the_regions_mean_is_that_of_its_points(release, model, tmp_path):
    part = predict_protocol(release, model)[0]
    moved = part.predictions.truth[None].copy()
    lengths = np.linalg.norm(moved[0, :, 45] - moved[0, :, 36], axis=1)
    moved[0, :, :17, 0] += 0.1 * lengths[:, None]  # the jaw alone is off, by a tenth
    exact = replace(part, predictions=replace(part.predictions, estimates=moved))
    write_report(tmp_path / "out", [exact], {}, threshold=0.08, peers={})
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| common (helen/testset only), gt | 10.00 | 0.00 | 0.00 | 0.00 | 0.00 |" in text


def test_peers_are_named_folders(tmp_path):
    assert parse_peers([f"x={tmp_path}"]) == {"x": tmp_path}
    for wrong in ("x", f"x={tmp_path / 'none'}"):
        with pytest.raises(ConfigError, match="expected NAME=FOLDER"):
            parse_peers([wrong])


def test_a_peer_without_files_is_refused(release, model, tmp_path):
    part = predict_protocol(release, model)[0]
    with pytest.raises(DataError, match="named as the faces are"):
        peer_predictions(part.predictions, tmp_path)
