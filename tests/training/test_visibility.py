"""Training on faces that lack points, have covered ones, or count less than others."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from accelerate import Accelerator
from msgspec import structs

from dan.datasets.formats import HIDDEN, UNKNOWN
from dan.geometry import box_of_points
from dan.geometry.cropping import crop_from_box
from dan.model import load_model
from dan.schemes import FACE68
from dan.training import train
from dan.training.augmentation import Augmenter
from dan.training.face_tensors import faces_of_pack, identity_of_pack, mean_shape_of_pack
from dan.training.pipeline import build_model
from dan.training.recipe import Augmentation
from dan.training.validation import predict_faces, validate


@pytest.fixture(scope="module")
def pack(drawn_pack):
    """The drawn faces: of each third the left of jaw and eye hidden, or points covered, or none."""
    visibility = drawn_pack.visibility.copy()
    visibility[::3, [*range(6), *range(36, 40)]] = UNKNOWN
    visibility[1::3, 48:68] = HIDDEN
    points = np.where((visibility == UNKNOWN)[..., None], np.nan, drawn_pack.points)
    weights = np.where(np.arange(40) % 2, 0.3, 1.0).astype(np.float32)
    return replace(drawn_pack, points=points, visibility=visibility, weights=weights)


def tensors(pack, covered_weight=1.0):
    return faces_of_pack(pack, mean_shape_of_pack(pack, 48, 36.0), covered_weight)


def test_weights_of_points(pack):
    weights = tensors(pack, covered_weight=0.5).weights
    np.testing.assert_allclose(weights.mean(dim=1), pack.weights, rtol=1e-6)
    assert weights[0].tolist() == pytest.approx([0] * 6 + [68 / 58] * 30 + [0] * 4 + [68 / 58] * 28)
    covered = 0.3 * 68 / (48 + 10) * np.where(np.arange(68) < 48, 1, 0.5)
    np.testing.assert_allclose(weights[1], covered, rtol=1e-6)
    np.testing.assert_allclose(weights[2], 1)


def test_a_plain_pack_has_weights_of_exactly_one(drawn_pack):
    assert (tensors(drawn_pack, covered_weight=0.5).weights == 1).all()


def test_a_face_is_cropped_by_the_box_of_the_points_that_it_has(pack):
    mean_shape = mean_shape_of_pack(pack, 48, 36.0)
    known = pack.visibility[0] != UNKNOWN
    wanted = crop_from_box(box_of_points(pack.points[0, known]), mean_shape)
    np.testing.assert_allclose(tensors(pack).crop_from_image[0], wanted.matrix, rtol=1e-6)


def test_the_mean_shape_hardly_changes(pack, drawn_pack):
    ours, whole = (mean_shape_of_pack(each, 48, 36.0) for each in (pack, drawn_pack))
    np.testing.assert_allclose(ours, whole, atol=0.5)


@pytest.mark.parametrize("bend", [0.0, 0.02])
def test_a_flip_exchanges_what_is_hidden_and_how_much_it_counts(pack, bend):
    faces = tensors(pack, covered_weight=0.5)
    settings = structs.replace(Augmentation.none(), flip=1.0, bend=bend)
    batch = Augmenter(faces, 48, FACE68, settings).batch(torch.arange(8), seed=1)
    assert torch.equal(batch.weights, faces.weights[:8, FACE68.mirror])
    assert torch.equal(batch.points.isnan().any(dim=2), batch.weights == 0)
    assert (batch.weights[0, [16, 11, 45, 42]] == 0).all()
    assert torch.isfinite(batch.crops).all()


def test_the_identity_of_data_says_how_they_are_seen_and_weighted(pack, drawn_pack):
    kinds = [
        drawn_pack,
        replace(drawn_pack, weights=pack.weights),
        replace(drawn_pack, visibility=np.full_like(pack.visibility, HIDDEN)),
        replace(drawn_pack, sets=np.arange(40) // 20),
        pack,
    ]
    assert len({identity_of_pack(each) for each in kinds}) == len(kinds)


def test_validation_goes_by_the_points_that_there_are_and_the_weights_of_faces(pack, tiny_recipe):
    recipe = tiny_recipe()
    faces = faces_of_pack(pack, mean_shape := mean_shape_of_pack(pack, 32, 22.0))
    model = build_model(recipe.model, 1)
    model.set_statistics(mean_shape, np.zeros((32, 32)), np.ones((32, 32)))
    accelerator = Accelerator(cpu=True)
    figures = validate(model, faces, FACE68, "auto", accelerator, n_stages=2)
    assert figures.normaliser == "diagonal"  # some faces lack an eye's corner
    found = predict_faces(model, faces, accelerator, n_stages=2)
    truth = faces.crop_points().numpy()
    for stage in range(2):
        errors = []
        for points, own in zip(found[stage], truth, strict=True):
            known = np.isfinite(own).all(axis=1)
            diagonal = np.hypot(*np.ptp(own[known], axis=0))
            errors.append(np.hypot(*(points - own)[known].T).mean() / diagonal)
        wanted = 100 * np.average(errors, weights=pack.weights)
        assert figures.error_percent[stage] == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(figures.loss)
    some = faces_of_pack(pack.subset(range(1, 40, 3)), mean_shape)
    assert validate(model, some, FACE68, "auto", accelerator, n_stages=2).normaliser == (
        "inter_ocular"
    )


def test_all_phases_train_on_such_faces(pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(
        epochs=[1, 1],
        joint_epochs=1,
        refinement=2,
        refinement_epochs=1,
        confidence_draws=1,
        covered_weight=0.5,
    )
    trained = train(pack, recipe, tmp_path / "run", device="cpu")
    loaded = load_model(trained.path)
    assert all(value.isfinite().all() for value in loaded.model.state_dict().values())
    assert loaded.training["validation"]["normaliser"] == "diagonal"
    assert all(np.isfinite(loaded.training["validation"]["error_percent"]))
