"""The bundles that come with the package, on real faces."""

from pathlib import Path

import numpy as np
import pytest

from dan.datasets.annotated import find_annotated
from dan.datasets.formats import load_pts
from dan.evaluation import predict_annotated
from dan.evaluation.metrics import Score, normalised_errors
from dan.evaluation.protocol import predict_protocol
from dan.evaluation.report import scores_of
from dan.geometry import box_of_points, box_overlap
from dan.inference.aligner import FaceAligner
from dan.inference.bundle import bundle_path, load_bundle, models_folder
from dan.inference.onnx_model import OnnxModel

MODELS = ("dan68", "dan68-fast", "dan68-tiny")


@pytest.fixture(scope="module")
def faces(shared_300w):
    """Every eighth face of HELEN test."""
    return find_annotated(shared_300w / "helen" / "testset")[::8]


def test_they_are_named_in_the_readme_and_weigh_little():
    assert {path.stem for path in models_folder().glob("*.danbundle")} == set(MODELS)
    assert sum(bundle_path(name).stat().st_size for name in MODELS) < 60e6


@pytest.mark.parametrize("name", MODELS)
def test_their_cards_say_where_they_come_from(name):
    card = load_bundle(bundle_path(name)).card
    assert "300-W" in card["licences"]["weights"]
    assert card["training"]["recipe"]["model"]["width"] > 0
    assert card["training"]["confidence"]["roc_auc"] > 0.95


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
@pytest.mark.parametrize("name", MODELS)
def test_the_readme_says_what_the_card_says(name, readme):
    text = (Path(__file__).parents[2] / readme).read_text(encoding="utf-8")
    card = load_bundle(bundle_path(name)).card
    scores = {score["box_source"]: Score(**score) for score in card["figures"]["scores"]}
    rows = [row.split("|") for row in text.splitlines() if row.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    for cell, source in zip(rows[0][2:4], ("gt", "det"), strict=True):
        score = scores[source]
        assert cell.strip() == f"{score.nme_percent:.2f} ({score.failure_percent:.2f})"
    assert f"{card['cost']['multiplications_a_face'] / 1e6:.0f}" in rows[0][4]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_figures_of_the_card_come_out_again(name, shared_300w):
    card = load_bundle(bundle_path(name)).card
    scores = {score["box_source"]: Score(**score) for score in card["figures"]["scores"]}
    for part in predict_protocol(shared_300w, OnnxModel(name)):
        again = scores_of(part, 0.08)
        by_eyes = next(score for score in again if score.normaliser == "inter_ocular")
        told = scores[part.box_source]
        assert by_eyes.subset == told.subset
        assert by_eyes.n_images == told.n_images
        assert by_eyes.nme_percent == pytest.approx(told.nme_percent, abs=0.01)
        assert by_eyes.failure_percent == pytest.approx(told.failure_percent, abs=0.31)  # a face


def test_the_fast_model_takes_a_twelfth_of_the_multiplications():
    accurate, fast, tiny = (
        load_bundle(bundle_path(name)).card["cost"]["multiplications_a_face"] for name in MODELS
    )
    assert fast <= accurate / 12
    assert tiny <= fast / 4


@pytest.mark.parametrize("name", MODELS)
def test_each_stage_lowers_the_error_on_real_faces(name, shared_300w):
    every_face = find_annotated(shared_300w / "helen" / "testset")  # the last stage mends little
    found = predict_annotated(every_face, OnnxModel(name))
    errors = [
        float(normalised_errors(stage, found.truth, found.scheme, "inter_ocular").mean())
        for stage in found.estimates
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.042


@pytest.mark.parametrize("name", MODELS)
def test_the_detectors_boxes_cost_little(name, faces):
    aligner = FaceAligner(name)
    errors, sure = [], []
    for image in faces:
        truth = load_pts(image.points_path)
        result = aligner(image.image_path)
        overlaps = [
            box_overlap(box_of_points(points), box_of_points(truth)) for points in result.points_xy
        ]
        best = int(np.argmax(overlaps))
        points = result.points_xy[best][None]
        errors += normalised_errors(points, truth[None], result.scheme, "inter_ocular").tolist()
        sure.append(result.confidence[best])
    assert np.mean(errors) < 0.042
    assert np.mean(sure) > 0.9
